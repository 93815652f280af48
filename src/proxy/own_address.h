/* own_address.h - the address at which an application listens, in fields of its answers: frameworks
 * that make URLs of it send clients to where nobody but us can go. */
/* SPDX-License-Identifier: MIT */
#pragma once

struct exchange;
struct response_head;

/* A head of the tenant's, interim ones included, before anything else is done with it: where it
 * means itself it has the origin that the client knows.  The port is another one after the next
 * start, so that is done before it is stored. */
void own_address_hide(struct exchange *x, struct response_head *h);
