/* secret.c - a SECRET_KEY_BASE for each tenant. */
/* SPDX-License-Identifier: MIT */
#include "tenant/secret.h"

#include <fcntl.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#define MASTER_BYTES 64
#define MASTER_MIN   32 /* characters; a file with less was not written by us or not to its end */

static void write_hex(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* 0, -ENOENT, or another error. */
static int read_master(const char *path, char **ret)
{
	char text[4096];
	str secret;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n < 0)
		return -errno;
	secret = (str){text, (size_t)n};
	while (secret.n && (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r'))
		secret.n--;
	if (secret.n < MASTER_MIN)
		return -EINVAL;
	*ret = str_dup(secret);
	return 0;
}

static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = str_dup((str){path, slash ? (size_t)(slash - path) : 0});
	int fd = open(*folder ? folder
		      : slash ? "/"
			      : ".",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    r = 0;

	free(folder);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r = 0;
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n || fsync(fd) < 0)
		r = errno ? -errno : -EIO;
	close(fd);
	return r;
}

/* link, not rename: if another one made it at the same moment, his stands. */
static int make_master(const char *path)
{
	unsigned char bytes[MASTER_BYTES];
	char text[2 * MASTER_BYTES + 1], *fresh = xasprintf("%s.%d", path, (int)getpid());
	int r;

	random_bytes(bytes, sizeof(bytes));
	write_hex(bytes, sizeof(bytes), text);
	unlink(fresh);
	r = write_file(fresh, text);
	if (r == 0 && link(fresh, path) < 0 && errno != EEXIST)
		r = -errno;
	unlink(fresh);
	free(fresh);
	return r < 0 ? r : sync_folder_of(path);
}

int secret_master(const char *environment_value, const char *path, char **ret)
{
	int r;

	if (environment_value && *environment_value) {
		*ret = xstrdup(environment_value);
		return 0;
	}
	r = read_master(path, ret);
	if (r != -ENOENT)
		return r;
	r = make_master(path);
	return r < 0 ? r : read_master(path, ret);
}

void secret_of_tenant(const char *master, str id, char out[SECRET_TEXT_SIZE])
{
	static const str purpose = STR_INIT("fly-atc SECRET_KEY_BASE of tenant ");
	unsigned char digest[SHA512_DIGEST_LENGTH];
	struct buf message = {0};

	static_assert(2 * sizeof(digest) + 1 == SECRET_TEXT_SIZE, "the text holds the digest");
	buf_add(&message, purpose);
	buf_add(&message, id);
	if (!HMAC(EVP_sha512(), master, (int)strlen(master),
		    (const unsigned char *)buf_str(&message).p, buf_len(&message), digest, NULL))
		abort();
	buf_done(&message);
	write_hex(digest, sizeof(digest), out);
}
