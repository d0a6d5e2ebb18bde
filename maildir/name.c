/* Mailbox names: storage name, directory, LIST patterns. */
#include "maildir/name.h"

#include "common/buf.h"
#include "common/utf7.h"

enum { NAME_MAX_BYTES = 200, MATCH_MAX = 1024 };

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = s.p[i];
		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

/* What hides behind "&...-" may be a control character too. */
static bool
encoding_is_valid(struct span name)
{
	struct buf text = { .max = 4 * NAME_MAX_BYTES };
	bool ok;

	ok = utf7_to_utf8(name, &text) == ERR_OK && !text.over &&
	    !has_control(buf_span(&text));
	buf_clear(&text);
	return ok;
}

enum err
name_check(struct span name)
{
	bool plain = true;
	char before = '.';

	if (name.n == 0 || name.n > NAME_MAX_BYTES || name.p[0] == '~')
		return ERR_CANNOT;
	if (has_control(name))
		return ERR_CANNOT;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (c == '/' || (c == '.' && before == '.'))
			return ERR_CANNOT;
		if (c == '&' || (unsigned char)c >= 0x80)
			plain = false;
		before = c;
	}
	if (before == '.')
		return ERR_CANNOT;
	/* Most names are plain ASCII: a listing of thousands allocates nothing. */
	return plain || encoding_is_valid(name) ? ERR_OK : ERR_CANNOT;
}

bool
name_is_inbox(struct span name)
{
	return span_ieq(name, SPAN("INBOX"));
}

void
name_to_dir(struct span name, char out[256])
{
	size_t n = name.n < 254 ? name.n : 254;

	out[0] = '.';
	out[1] = '\0';
	if (name_is_inbox(name))
		return;
	memcpy(out + 1, name.p, n);
	out[1 + n] = '\0';
}

bool
name_from_dir(const char *entry, struct span *name_out)
{
	struct span name;

	*name_out = SPAN_NONE;
	if (entry[0] != '.')
		return false;
	name = span_of(entry + 1);
	/* ".INBOX" cannot be reached: the name means the root. */
	if (name_check(name) != ERR_OK || name_is_inbox(name))
		return false;
	*name_out = name;
	return true;
}

bool
name_up(struct span *name)
{
	while (name->n > 0 && name->p[name->n - 1] != '.')
		name->n--;
	if (name->n == 0)
		return false;
	name->n--;
	return true;
}

bool
name_is_below(struct span name, struct span parent)
{
	return name.n > parent.n + 1 && span_starts(name, parent) &&
	    name.p[parent.n] == '.';
}

/* A character of a name beside one of a pattern, the latter no wildcard. */
static bool
same_char(struct span name, size_t i, char c, bool inbox)
{
	struct span a = { name.p + i, 1 }, b = { &c, 1 };

	if (inbox && i < 5)
		return span_ieq(a, b);
	return name.p[i] == c;
}

/*
 * The wildcard that the run at pattern.p[*at] comes to, and *at moved behind
 * the run: "*" takes everything beside it. 0: no wildcard there.
 */
static char
take_wildcard(struct span pattern, size_t *at)
{
	char kind = 0;

	for (; *at < pattern.n; (*at)++) {
		if (pattern.p[*at] == '*')
			kind = '*';
		else if (pattern.p[*at] != '%')
			break;
		else if (kind == 0)
			kind = '%';
	}
	return kind;
}

/*
 * live[i]: the pattern up to here can have eaten i characters of the name. With
 * wildcards in one run taken together, every other step eats a character, so
 * that the work is bounded by the name, however long the pattern is.
 */
static bool
match_from(struct span name, struct span pattern, char sep, bool inbox,
    size_t at)
{
	bool live[MATCH_MAX + 1] = { false };
	size_t first = at, last = at;	/* the live ones lie in first..last */

	live[at] = true;
	for (size_t p = at; p < pattern.n;) {
		char kind = take_wildcard(pattern, &p);
		if (kind != 0) {
			for (size_t i = first; i < name.n; i++) {
				if (!live[i] ||
				    (kind == '%' && name.p[i] == sep))
					continue;
				live[i + 1] = true;
				if (last < i + 1)
					last = i + 1;
			}
			continue;
		}
		bool any = false;
		size_t low = name.n, high = 0;
		for (size_t i = last + 1; i-- > first;) {
			bool on = live[i] && i < name.n &&
			    same_char(name, i, pattern.p[p], inbox);
			live[i] = false;
			if (!on)
				continue;
			live[i + 1] = any = true;
			low = i + 1;
			high = high < i + 1 ? i + 1 : high;
		}
		if (!any)
			return false;
		first = low;
		last = high;
		p++;
	}
	return live[name.n];
}

bool
name_matches(struct span name, struct span pattern, char sep)
{
	bool inbox = span_istarts(name, SPAN("INBOX")) &&
	    (name.n == 5 || name.p[5] == sep);
	size_t at = 0;

	if (name.n > MATCH_MAX)
		return false;
	while (at < pattern.n && pattern.p[at] != '*' && pattern.p[at] != '%') {
		if (at >= name.n || !same_char(name, at, pattern.p[at], inbox))
			return false;
		at++;
	}
	if (at == pattern.n)
		return at == name.n;
	return match_from(name, pattern, sep, inbox, at);
}
