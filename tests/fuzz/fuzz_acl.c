/*
 * dovecot-acl from anybody: whatever the text, nobody has more than all rights, and a
 * change of one identifier changes what it says and nothing of the others.
 */
#include "common/acl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned
rights_of(struct span text, const char *user)
{
	struct acl_who who = { span_of(user), SPAN("g,h"), false };
	struct acl_entry *entry;
	struct arena a = { 0 };
	unsigned rights;
	size_t count;

	acl_read(text, &a, &entry, &count);
	rights = acl_rights(entry, count, &who);
	arena_free(&a);
	if (rights & ~(unsigned)ACL_ALL)
		abort();
	return rights;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = { (const char *)data, n };
	struct buf out = { 0 };
	unsigned other = rights_of(text, "other");

	if (acl_change(text, SPAN("user=nobody here"), false, ACL_READ, &out) ==
	    ERR_OK && rights_of(buf_span(&out), "other") != other)
		abort();
	buf_clear(&out);
	return 0;
}
