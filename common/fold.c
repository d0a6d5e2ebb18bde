/*
 * Case folding and substring search for SEARCH.
 *
 * Folded text is in compatibility decomposition (RFC 5051 2.1 (2)(b)), its
 * combining marks in canonical order. Only a mark can change the place of what
 * stands before it, so all else is folded character by character: ASCII in
 * words of eight, two-byte sequences (Latin, Greek, Cyrillic, Hebrew, Arabic)
 * from a table, ideographs as they are, the rest by utf8proc.
 */
#include "common/fold.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

enum {
	STEP = 4096,
	RUN_MAX = 32,		/* code points sorted together; then cut */
	CHAR_MAX_CPS = 32,	/* the longest decomposition has 18 */
	TWO_BYTE_END = 0x800,
};

static const utf8proc_option_t options = UTF8PROC_DECOMPOSE |
    UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;

/* The folded form of a code point below U+0800. */
struct entry {
	uint8_t n;		/* bytes in p; 0: ask utf8proc */
	bool is_mark;
	bool ends_in_mark;
	char p[5];
};

static struct entry table[TWO_BYTE_END];
static bool is_ready;

static unsigned
mark_class(utf8proc_int32_t c)
{
	return (unsigned)utf8proc_get_property(c)->combining_class;
}

/* Appends the folded form of c; what utf8proc does not know stays. */
static size_t
decompose(utf8proc_int32_t c, utf8proc_int32_t *out)
{
	utf8proc_ssize_t n = utf8proc_decompose_char(c, out, CHAR_MAX_CPS,
	    options, NULL);

	if (n >= 0 && n <= CHAR_MAX_CPS)
		return (size_t)n;
	out[0] = c;
	return 1;
}

static void
fill_entry(utf8proc_int32_t c, struct entry *e)
{
	utf8proc_int32_t cps[CHAR_MAX_CPS];
	size_t count = decompose(c, cps), n = 0;

	e->is_mark = mark_class(c) != 0;
	e->ends_in_mark = count > 0 && mark_class(cps[count - 1]) != 0;
	for (size_t i = 0; i < count; i++) {
		utf8proc_uint8_t bytes[4];
		size_t len = (size_t)utf8proc_encode_char(cps[i], bytes);

		if (n + len > sizeof(e->p))
			return;
		memcpy(e->p + n, bytes, len);
		n += len;
	}
	e->n = (uint8_t)n;
}

void
fold_init(void)
{
	if (is_ready)
		return;
	for (utf8proc_int32_t c = 0x80; c < TWO_BYTE_END; c++)
		fill_entry(c, &table[c]);
	is_ready = true;
}

/* The code point of a sequence that span_utf8 found valid. */
static utf8proc_int32_t
code_point(const char *p, size_t n)
{
	utf8proc_int32_t c = (unsigned char)p[0];

	if (n > 1)
		c &= 0x7F >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 63);
	return c;
}

/* Whether s begins with a combining mark; none is below U+0300. */
static bool
is_mark_next(struct span s)
{
	utf8proc_int32_t c;
	size_t n;

	if (s.n == 0 || (unsigned char)s.p[0] < 0xCC || (n = span_utf8(s)) == 0)
		return false;
	c = code_point(s.p, n);
	return c < TWO_BYTE_END ? table[c].is_mark : mark_class(c) != 0;
}

/* Marks into canonical order; starters stay where they are. */
static void
sort_marks(utf8proc_int32_t *cps, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		utf8proc_int32_t c = cps[i];
		unsigned k = mark_class(c);
		size_t j = i;

		for (; k != 0 && j > 0 && mark_class(cps[j - 1]) > k; j--)
			cps[j] = cps[j - 1];
		cps[j] = c;
	}
}

/* One character with the marks that follow it. */
static void
fold_run(struct span *s, struct buf *out)
{
	utf8proc_int32_t cps[RUN_MAX + CHAR_MAX_CPS];
	size_t count = 0;

	do {
		size_t n = span_utf8(*s);

		count += decompose(code_point(s->p, n), cps + count);
		s->p += n;
		s->n -= n;
	} while (count < RUN_MAX && is_mark_next(*s));
	sort_marks(cps, count);
	for (size_t i = 0; i < count; i++) {
		utf8proc_uint8_t bytes[4];

		buf_add(out, bytes,
		    (size_t)utf8proc_encode_char(cps[i], bytes));
	}
}

/* Eight ASCII bytes at once: 0x20 is added where a byte is in A..Z. */
static uint64_t
lower_word(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t from_a = w + ones * (0x80 - 'A');
	uint64_t past_z = w + ones * (0x80 - 'Z' - 1);

	return w | ((from_a & ~past_z & ones * 0x80) >> 2);
}

/* Folds ASCII from the front of s into p, at most n bytes; returns how many. */
static size_t
fold_ascii(struct span s, char *p, size_t n)
{
	size_t i = 0;
	uint64_t w;

	if (n > s.n)
		n = s.n;
	for (; i + sizeof(w) <= n; i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if ((w & 0x8080808080808080u) != 0)
			break;
		w = lower_word(w);
		memcpy(p + i, &w, sizeof(w));
	}
	for (; i < n && (unsigned char)s.p[i] < 0x80; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) :
		    s.p[i];
	return i;
}

/* Ideographs of the basic plane: no case, no decomposition, no marks. */
static bool
is_plain(utf8proc_int32_t c)
{
	return c >= 0x3400 && c <= 0x9FFF;
}

/*
 * Folds one character that is not ASCII into p (room for 8 bytes) without
 * looking at others. Returns the bytes written and takes it off s, or 0: it
 * takes fold_run.
 */
static size_t
fold_one(struct span *s, char *p)
{
	size_t n = span_utf8(*s), made;
	struct span rest;
	utf8proc_int32_t c;

	if (n == 0) {
		*p = s->p[0];
		s->p++;
		s->n--;
		return 1;
	}
	c = code_point(s->p, n);
	rest = (struct span){ s->p + n, s->n - n };
	if (n == 2) {
		const struct entry *e = &table[c];

		if (e->n == 0 || e->is_mark ||
		    (e->ends_in_mark && is_mark_next(rest)))
			return 0;
		memcpy(p, e->p, sizeof(e->p));
		made = e->n;
	} else if (is_plain(c)) {
		memcpy(p, s->p, n);
		made = n;
	} else {
		return 0;
	}
	*s = rest;
	return made;
}

void
fold_utf8(struct span s, struct buf *out)
{
	char step[STEP];
	size_t n = 0;

	fold_init();
	while (s.n > 0 && !out->over) {
		size_t made;

		if (n > STEP - 8) {
			buf_add(out, step, n);
			n = 0;
		}
		made = fold_ascii(s, step + n, STEP - n);
		n += made;
		s.p += made;
		s.n -= made;
		while (n <= STEP - 8 && s.n > 0 &&
		    (unsigned char)s.p[0] >= 0x80) {
			made = fold_one(&s, step + n);
			n += made;
			if (made > 0)
				continue;
			buf_add(out, step, n);
			n = 0;
			fold_run(&s, out);
		}
	}
	buf_add(out, step, n);
}

bool
fold_contains(struct span hay, struct span needle)
{
	if (needle.n == 0)
		return true;
	return hay.n >= needle.n &&
	    memmem(hay.p, hay.n, needle.p, needle.n) != NULL;
}
