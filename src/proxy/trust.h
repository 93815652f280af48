/* trust.h - whom we believe about clients: the peers in server.trusted_proxies, and Fly's edge
 * among them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "http/head.h"
#include "net/socket.h"

struct trust;

/* Reads server.trusted_proxies: addresses, networks ("10.0.0.0/8", "fd00::/8"), and the words
 *
 * - loopback: 127.0.0.0/8, ::1, and unix sockets;
 * - private: 10/8, 172.16/12, 192.168/16, 169.254/16, 100.64/10, fc00::/7, fe80::/10;
 * - fly: 172.16/12 and fdaa::/16, from which the edge connects; nothing without FLY_MACHINE_ID.
 *
 * The edge may be a trusted peer in Fly's networks that has none of this machine's own addresses,
 * or one that is named as an address or a network: a process on the same machine is not it.
 *
 * What cannot be read (config_load refuses it) is left out: less is trusted, never more. */
struct trust *trust_new(const struct config *conf) MUST_USE;
void trust_free(struct trust *t);

/* True for a peer that we believe.  IPv4-mapped IPv6 is IPv4. AF_UNSPEC is a unix socket. */
bool trust_has(const struct trust *t, const struct address *peer);

/* Tells clients apart: a hash of an IPv4 address, or of the /64 of an IPv6 one, of which one client
 * has as many addresses as it likes.  0 for AF_UNSPEC. */
uint64_t trust_key(const struct address *a);

/* Who asks. */
struct remote {
	str peer;    /* the other end of the connection, without port; may be empty (unix socket) */
	str address; /* the client as far as we believe what we are told: for logs; may be empty */
	str fly_client;	 /* the client that the edge names, in fly-client-ip; empty without an
			  edge */
	uint64_t key;	 /* trust_key of that client; 0: a proxy that does not tell */
	bool is_trusted; /* the peer is believed */
	bool is_peer;  /* another machine of ours, which says by whom it was asked: trust_machine */
	bool has_edge; /* the peer is Fly's edge: its address fits, and there is a fly-request-id */
};

/* On Fly, fly-client-ip is the client.  Elsewhere it is the last address of X-Forwarded-For that is
 * not a trusted proxy's own.  A peer that is not trusted is the client itself.
 *
 * *ret borrows from peer_text (address_text of the peer) and the head. */
void trust_remote(const struct trust *t, const struct address *peer, str peer_text,
	const struct request_head *head, struct remote *ret);
/* The request was passed on by another machine of ours, and what that says of the client is what it
 * knows itself: *r is changed accordingly. */
void trust_machine(const struct trust *t, const struct request_head *head, struct remote *r);
