/* The file of acl_shared_dict. */
#include "daemon/sharing.h"

#include <string.h>

#define ROOT "shared/shared-boxes/"

static void
escape(struct span name, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '/')
			buf_adds(out, "\\|");
		else if (name.p[i] == '\\')
			buf_adds(out, "\\\\");
		else
			buf_addc(out, name.p[i]);
	}
}

/* Whether an escaped part of a key is this name. */
static bool
is_name(struct span part, struct span name)
{
	struct buf b = { 0 };
	bool same;

	escape(name, &b);
	same = span_eq(buf_span(&b), part);
	buf_clear(&b);
	return same;
}

static bool
is_among(struct span groups, struct span part)
{
	while (groups.n > 0)
		if (is_name(part, span_cut(&groups, ',')))
			return true;
	return false;
}

static bool
is_there(const struct buf *names, struct span name)
{
	struct span rest = buf_span(names);

	while (rest.n > 0)
		if (span_eq(span_cut(&rest, '\0'), name))
			return true;
	return false;
}

/* Takes the key of the next entry off the front. */
static bool
next_key(struct span *text, struct span *key)
{
	while (text->n > 0) {
		*key = span_cut(text, '\n');
		(void)span_cut(text, '\n');
		if (sharing_is_key(*key)) {
			key->p += strlen(ROOT);
			key->n -= strlen(ROOT);
			return true;
		}
	}
	return false;
}

bool
sharing_owners(struct span text, struct span user, struct span groups,
    struct buf *out)
{
	struct span owner;

	while (next_key(&text, &owner)) {
		struct span kind = span_cut(&owner, '/'), with;

		if (span_eq(kind, SPAN("user"))) {
			with = span_cut(&owner, '/');
			if (!is_name(with, user))
				continue;
		} else if (span_eq(kind, SPAN("group"))) {
			with = span_cut(&owner, '/');
			if (!is_among(groups, with))
				continue;
		} else if (!span_eq(kind, SPAN("anyone"))) {
			continue;
		}
		if (owner.n == 0 || span_eq(owner, user) ||
		    is_there(out, owner))
			continue;
		if (out->n + owner.n + 1 > SHARING_OWNERS_MAX)
			return false;
		buf_add_span(out, owner);
		buf_addc(out, '\0');
	}
	return true;
}

bool
sharing_key(struct span owner, struct span id, struct buf *out)
{
	static const struct {
		const char *prefix, *word;
	} kinds[] = {
		{ "user=", "user/" },
		{ "group=", "group/" },
		{ "group-override=", "group/" },
	};
	struct span name = SPAN_NONE;

	buf_adds(out, ROOT);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (span_starts(id, span_of(kinds[i].prefix))) {
			name = id;
			name.p += strlen(kinds[i].prefix);
			name.n -= strlen(kinds[i].prefix);
			buf_adds(out, kinds[i].word);
		}
	if (name.n > 0) {
		escape(name, out);
		buf_addc(out, '/');
	} else if (span_eq(id, SPAN("anyone")) ||
	    span_eq(id, SPAN("authenticated"))) {
		buf_adds(out, "anyone/");
	} else {
		return false;
	}
	buf_add_span(out, owner);
	return sharing_is_key(buf_span(out));
}

bool
sharing_has(struct span text, struct span key)
{
	while (text.n > 0) {
		if (span_eq(span_cut(&text, '\n'), key))
			return true;
		(void)span_cut(&text, '\n');
	}
	return false;
}

bool
sharing_is_key(struct span key)
{
	for (size_t i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] < ' ')
			return false;
	return span_starts(key, SPAN(ROOT)) && key.n > strlen(ROOT) &&
	    key.n < 1024;
}
