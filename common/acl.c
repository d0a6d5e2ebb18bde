/* The file dovecot-acl of a mailbox. */
#include "common/acl.h"

#include <string.h>

static const char letters[] = "lrswipkxtea";

/* ---- letters ---- */

void
acl_letters(unsigned rights, struct buf *out)
{
	for (size_t i = 0; letters[i] != '\0'; i++)
		if (rights & 1U << i)
			buf_addc(out, letters[i]);
}

enum err
acl_parse(struct span text, unsigned *out)
{
	enum err e = ERR_OK;

	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] == '\0' ? NULL :
		    strchr(letters, text.p[i]);

		if (at != NULL)
			*out |= 1U << (at - letters);
		else if (text.p[i] == 'c')
			*out |= ACL_CREATE | ACL_DELETE;
		else if (text.p[i] == 'd')
			*out |= ACL_EXPUNGE | ACL_DELETED | ACL_DELETE;
		else
			e = ERR_SYNTAX;
	}
	return e;
}

/* ---- lines ---- */

enum strength { NOBODY, ANYONE, AUTHENTICATED, GROUP, OWNER, USER, OVERRIDE };

/* What kind of identifier it is; *name: what stands behind the "=". */
static enum strength
strength_of(struct span id, struct span *name)
{
	static const struct {
		const char *word;
		enum strength strength;
		bool has_name;
	} kinds[] = {
		{ "group-override=", OVERRIDE, true },
		{ "user=", USER, true },
		{ "owner", OWNER, false },
		{ "group=", GROUP, true },
		{ "authenticated", AUTHENTICATED, false },
		{ "anyone", ANYONE, false },
		{ "anonymous", ANYONE, false },
	};

	*name = SPAN_NONE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct span word = span_of(kinds[i].word);

		if (!kinds[i].has_name && span_eq(id, word))
			return kinds[i].strength;
		if (!kinds[i].has_name || !span_starts(id, word) ||
		    id.n == word.n)
			continue;
		*name = (struct span){ id.p + word.n, id.n - word.n };
		return kinds[i].strength;
	}
	return NOBODY;
}

bool
acl_is_identifier(struct span id)
{
	struct span name;

	for (size_t i = 0; i < id.n; i++)
		if ((unsigned char)id.p[i] < ' ' || id.p[i] == 0x7f)
			return false;
	return id.n > 0 && id.n <= 512 && strength_of(id, &name) != NOBODY;
}

/* "\"a b\" rest": what is in the quotes, without backslashes. */
static bool
take_quoted(struct span *line, struct arena *a, struct span *out)
{
	char *p = arena_alloc(a, line->n);
	size_t n = 0, i = 1;

	for (; i < line->n && line->p[i] != '"'; i++) {
		if (line->p[i] == '\\' && i + 1 < line->n)
			i++;
		p[n++] = line->p[i];
	}
	if (i == line->n)
		return false;
	*out = (struct span){ p, n };
	i++;
	if (i < line->n && line->p[i] != ' ')
		return false;
	*line = i < line->n ? (struct span){ line->p + i + 1,
	    line->n - i - 1 } : SPAN_NONE;
	return true;
}

/* False: no line of ours. */
static bool
read_line(struct span line, struct arena *a, struct acl_entry *out)
{
	struct span name;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > 0 && *line.p == '"') {
		if (!take_quoted(&line, a, &out->id))
			return false;
	} else {
		out->id = span_cut(&line, ' ');
	}
	out->negative = out->id.n > 0 && *out->id.p == '-';
	if (out->negative) {
		out->id.p++;
		out->id.n--;
	}
	/* Named rights begin with ":". Letters that nobody knows say nothing. */
	line = span_cut(&line, ' ');
	if (line.n > 0 && *line.p == ':')
		line = SPAN_NONE;
	(void)!acl_parse(line, &out->rights);
	return strength_of(out->id, &name) != NOBODY;
}

void
acl_read(struct span text, struct arena *a, struct acl_entry **out,
    size_t *n_out)
{
	size_t lines = 1;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if (lines > ACL_ENTRIES_MAX)
		lines = ACL_ENTRIES_MAX;
	*out = arena_array(a, lines, sizeof(**out));
	*n_out = 0;
	while (text.n > 0 && *n_out < lines)
		if (read_line(span_cut(&text, '\n'), a, &(*out)[*n_out]))
			(*n_out)++;
}

/* ---- who may what ---- */

static bool
is_member(struct span groups, struct span name)
{
	while (groups.n > 0)
		if (span_eq(span_trim(span_cut(&groups, ',')), name))
			return true;
	return false;
}

/* How strongly an identifier means someone; NOBODY: it does not. */
static enum strength
matches(struct span id, const struct acl_who *who)
{
	struct span name;
	enum strength s = strength_of(id, &name);

	switch (s) {
	case OVERRIDE:
	case GROUP:
		return is_member(who->groups, name) ? s : NOBODY;
	case USER:
		return span_eq(name, who->user) ? s : NOBODY;
	case OWNER:
		return who->owner ? s : NOBODY;
	case AUTHENTICATED:
	case ANYONE:
	case NOBODY:
		break;
	}
	return s;
}

unsigned
acl_rights(const struct acl_entry *entry, size_t n, const struct acl_who *who)
{
	enum strength best = who->owner ? OWNER : NOBODY;
	unsigned rights = 0, taken = 0;
	bool said = false;

	for (size_t i = 0; i < n; i++) {
		enum strength s = matches(entry[i].id, who);

		if (s == NOBODY)
			continue;
		if (entry[i].negative) {
			taken |= entry[i].rights;
			continue;
		}
		if (s < best)
			continue;
		if (s > best)
			rights = 0;
		said = true;
		best = s;
		rights |= entry[i].rights;
	}
	if (!said && who->owner)
		rights = ACL_ALL;
	return rights & ~taken;
}

/* ---- changing ---- */

static void
add_line(struct span id, bool negative, unsigned rights, struct buf *out)
{
	bool quote = span_find(id, ' ') < id.n || span_find(id, '"') < id.n ||
	    span_find(id, '\\') < id.n;

	if (quote)
		buf_addc(out, '"');
	if (negative)
		buf_addc(out, '-');
	for (size_t i = 0; i < id.n; i++) {
		if (quote && (id.p[i] == '"' || id.p[i] == '\\'))
			buf_addc(out, '\\');
		buf_addc(out, id.p[i]);
	}
	if (quote)
		buf_addc(out, '"');
	buf_addc(out, ' ');
	acl_letters(rights, out);
}

enum err
acl_change(struct span text, struct span id, bool negative, unsigned rights,
    struct buf *out)
{
	struct arena a = { 0 };
	size_t entries = 0;
	bool done = rights == ACL_REMOVE;

	if (!acl_is_identifier(id))
		return ERR_SYNTAX;
	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');
		struct span named = SPAN_NONE;
		struct acl_entry e;
		size_t colon = 0;

		entries += line.n > 0;
		if (!read_line(line, &a, &e) || !span_eq(e.id, id) ||
		    e.negative != negative) {
			buf_add_span(out, line);
			buf_addc(out, '\n');
			continue;
		}
		if (done)
			continue;	/* removed, or said twice */
		/* Rights that have names only are not ours to drop. */
		while (colon + 1 < line.n && (line.p[colon] != ' ' ||
		    line.p[colon + 1] != ':'))
			colon++;
		if (colon + 1 < line.n)
			named = (struct span){ line.p + colon, line.n - colon };
		add_line(id, negative, rights, out);
		buf_add_span(out, named);
		buf_addc(out, '\n');
		done = true;
	}
	if (!done) {
		entries++;
		add_line(id, negative, rights, out);
		buf_addc(out, '\n');
	}
	arena_free(&a);
	return entries > ACL_ENTRIES_MAX || out->n > ACL_FILE_MAX ? ERR_LIMIT :
	    ERR_OK;
}
