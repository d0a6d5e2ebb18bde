/* The arguments of LIST and LSUB, with the options of RFC 5258 and RFC 6154. */
#include "worker/list_options.h"

#include "maildir/name.h"
#include "worker/cursor.h"

#include <string.h>

/* "(" option *(SP option) ")" before the reference. */
static enum err
read_selection(struct list_options *o, struct cursor *in)
{
	if (!cursor_take(in, '('))
		return ERR_OK;
	o->extended = true;
	if (cursor_take(in, ')'))
		return cursor_space(in);
	do {
		if (cursor_take_word(in, "SPECIAL-USE"))
			o->only_special = true;
		else if (cursor_take_word(in, "SUBSCRIBED"))
			o->only_subscribed = true;
		else if (cursor_take_word(in, "RECURSIVEMATCH"))
			o->recursive = true;
		else if (!cursor_take_word(in, "REMOTE"))
			return cursor_fail(in, "unknown selection option");
	} while (cursor_take(in, ' '));
	if (o->recursive && !o->only_special && !o->only_subscribed)
		return cursor_fail(in, "RECURSIVEMATCH needs another option");
	return cursor_take(in, ')') ? cursor_space(in) :
	    cursor_fail(in, "\")\" expected");
}

/* SP "RETURN (" option *(SP option) ")", or nothing. */
static enum err
read_return(struct list_options *o, struct cursor *in)
{
	enum err e;

	if (!cursor_take(in, ' '))
		return ERR_OK;
	o->extended = true;
	if (!cursor_take_word(in, "RETURN"))
		return cursor_fail(in, "RETURN expected");
	if ((e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_char(in, '(')) != ERR_OK)
		return e;
	if (cursor_take(in, ')'))
		return ERR_OK;
	do {
		/* The other two are told without being asked for. */
		if (cursor_take_word(in, "SUBSCRIBED"))
			o->tell_subscribed = true;
		else if (cursor_take_word(in, "MYRIGHTS"))
			o->tell_rights = true;
		else if (!cursor_take_word(in, "SPECIAL-USE") &&
		    !cursor_take_word(in, "CHILDREN"))
			return cursor_fail(in, "unknown return option");
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
}

/* A pattern is read below the reference (RFC 3501 6.3.8): simply after it. */
static enum err
read_pattern(struct list_options *o, struct cursor *in, struct arena *a)
{
	struct span p, reference = o->reference;
	enum err e;

	if (o->n_patterns == LIST_PATTERNS_MAX)
		return cursor_fail(in, "too many patterns");
	if ((e = cursor_list_mailbox(in, &p)) != ERR_OK)
		return e;
	if (reference.n > 0 && p.n > 0) {
		char *both = arena_alloc(a, reference.n + p.n);

		memcpy(both, reference.p, reference.n);
		memcpy(both + reference.n, p.p, p.n);
		p = (struct span){ both, reference.n + p.n };
	}
	o->pattern[o->n_patterns++] = p;
	return ERR_OK;
}

static enum err
read_patterns(struct list_options *o, struct cursor *in, struct arena *a)
{
	enum err e;

	if (!cursor_take(in, '('))
		return read_pattern(o, in, a);
	o->extended = true;
	do {
		if ((e = read_pattern(o, in, a)) != ERR_OK)
			return e;
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
}

enum err
list_options_read(struct cursor *in, struct arena *a, struct list_options *out)
{
	enum err e;

	*out = (struct list_options){ 0 };
	if ((e = read_selection(out, in)) != ERR_OK ||
	    (e = cursor_astring(in, &out->reference)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = read_patterns(out, in, a)) != ERR_OK ||
	    (e = read_return(out, in)) != ERR_OK)
		return e;
	return cursor_end(in);
}

enum err
list_options_read_lsub(struct cursor *in, struct arena *a,
    struct list_options *out)
{
	enum err e;

	*out = (struct list_options){ 0 };
	if ((e = cursor_astring(in, &out->reference)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = read_pattern(out, in, a)) != ERR_OK)
		return e;
	return cursor_end(in);
}

bool
list_options_match(const struct list_options *o, struct span name, char sep)
{
	for (size_t i = 0; i < o->n_patterns; i++)
		if (name_matches(name, o->pattern[i], sep))
			return true;
	return false;
}
