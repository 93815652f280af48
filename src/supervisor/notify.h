/* notify.h - reports our state to the service manager (sd_notify(3)). */
/* SPDX-License-Identifier: MIT */
#pragma once

/* "READY=1", "STOPPING=1".  Nothing happens without NOTIFY_SOCKET. */
void notify_send(const char *state);
