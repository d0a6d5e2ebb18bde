/*
 * Any charset to UTF-8. Single-byte charsets are tables, UTF-8, UTF-16 and
 * UTF-32 are read here, the rest goes through iconv descriptors that stay open.
 */
#include "common/charset.h"
#include "common/utf7.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>

enum kind { UNICODE_8, PLAIN, TABLE, UNICODE_16, UNICODE_32, ICONV };

/*
 * Known charsets. iconv: its name there, "" the same. Aliases: lower case, letters and
 * digits only, since nobody agrees on the rest ("cp-1252", "win_1251"); the
 * name itself need not be repeated.
 *
 * Mail says gb2312, shift_jis and ks_c_5601-1987 where it means the supersets
 * that its programs write: so these rows go to the supersets.
 */
static const struct row {
	const char *name;
	enum kind kind;
	const char *iconv;
	const char *aliases;
} rows[] = {
	{ "US-ASCII", PLAIN, "", "ascii ansix341968 ansix341986 iso646us "
	    "iso646irv1991 us 646 cp367 ibm367 csascii" },
	{ "UTF-8", UNICODE_8, "", "unicode11utf8 unicode20utf8 utf8mb4 cp65001 "
	    "65001" },
	{ "ISO-8859-1", TABLE, "", "latin1 l1 isolatin1 csisolatin1 cp819 "
	    "ibm819 isoir100 iso885911987 88591" },
	{ "ISO-8859-2", TABLE, "", "latin2 l2 csisolatin2 isoir101 88592" },
	{ "ISO-8859-3", TABLE, "", "latin3 l3 csisolatin3 isoir109" },
	{ "ISO-8859-4", TABLE, "", "latin4 l4 csisolatin4 isoir110" },
	{ "ISO-8859-5", TABLE, "", "cyrillic csisolatincyrillic isoir144" },
	{ "ISO-8859-6", TABLE, "", "arabic csisolatinarabic isoir127 asmo708 "
	    "ecma114 iso88596e iso88596i" },
	{ "ISO-8859-7", TABLE, "", "greek greek8 csisolatingreek isoir126 "
	    "elot928 ecma118" },
	{ "ISO-8859-8", TABLE, "", "hebrew csisolatinhebrew isoir138 iso88598i "
	    "iso88598e logical visual" },
	{ "ISO-8859-9", TABLE, "", "latin5 l5 csisolatin5 isoir148" },
	{ "ISO-8859-10", TABLE, "", "latin6 l6 csisolatin6 isoir157" },
	{ "ISO-8859-11", TABLE, "", "" },
	{ "ISO-8859-13", TABLE, "", "latin7 l7 baltic" },
	{ "ISO-8859-14", TABLE, "", "latin8 l8 isoceltic" },
	{ "ISO-8859-15", TABLE, "", "latin9 l9 latin0 885915" },
	{ "ISO-8859-16", TABLE, "", "latin10 l10" },
	{ "windows-1250", TABLE, "CP1250", "cp1250 win1250 1250" },
	{ "windows-1251", TABLE, "CP1251", "cp1251 win1251 1251" },
	{ "windows-1252", TABLE, "CP1252", "cp1252 win1252 1252 ansi" },
	{ "windows-1253", TABLE, "CP1253", "cp1253 win1253 1253" },
	{ "windows-1254", TABLE, "CP1254", "cp1254 win1254 1254" },
	{ "windows-1255", TABLE, "CP1255", "cp1255 win1255 1255" },
	{ "windows-1256", TABLE, "CP1256", "cp1256 win1256 1256" },
	{ "windows-1257", TABLE, "CP1257", "cp1257 win1257 1257" },
	{ "windows-1258", TABLE, "CP1258", "cp1258 win1258 1258" },
	{ "windows-874", TABLE, "CP874", "cp874 ibm874 874 dos874" },
	{ "TIS-620", TABLE, "", "tis6200 tis62025331 tis62025290" },
	{ "KOI8-R", TABLE, "", "koi8 cskoi8r koi" },
	{ "KOI8-U", TABLE, "", "koi8ru cskoi8u" },
	{ "KOI8-T", TABLE, "", "" },
	{ "IBM437", TABLE, "", "cp437 437 cspc8codepage437" },
	{ "IBM737", TABLE, "CP737", "cp737 737" },
	{ "IBM775", TABLE, "CP775", "cp775 775" },
	{ "IBM850", TABLE, "", "cp850 850 cspc850multilingual" },
	{ "IBM852", TABLE, "", "cp852 852 cspcp852" },
	{ "IBM855", TABLE, "", "cp855 855 csibm855" },
	{ "IBM857", TABLE, "", "cp857 857 csibm857" },
	{ "IBM858", TABLE, "CP858", "cp858 858 ibm00858 cp00858" },
	{ "IBM860", TABLE, "", "cp860 860 csibm860" },
	{ "IBM861", TABLE, "", "cp861 861 cpis csibm861" },
	{ "IBM862", TABLE, "", "cp862 862 cspc862latinhebrew dos862" },
	{ "IBM863", TABLE, "", "cp863 863 csibm863" },
	{ "IBM864", TABLE, "", "cp864 864 csibm864" },
	{ "IBM865", TABLE, "", "cp865 865 csibm865" },
	{ "IBM866", TABLE, "", "cp866 866 csibm866" },
	{ "IBM869", TABLE, "", "cp869 869 cpgr csibm869" },
	{ "macintosh", TABLE, "", "mac macroman csmacintosh" },
	{ "x-mac-cyrillic", TABLE, "MAC-CYRILLIC", "maccyrillic macukrainian" },
	{ "VISCII", TABLE, "", "viscii111 csviscii" },
	{ "TCVN", TABLE, "", "tcvn57121 tcvn5712" },
	{ "ARMSCII-8", TABLE, "", "" },
	{ "GEORGIAN-PS", TABLE, "", "" },
	{ "UTF-16", UNICODE_16, "", "ucs2 iso10646ucs2 unicode csunicode" },
	{ "UTF-16BE", UNICODE_16, "", "ucs2be unicodebig" },
	{ "UTF-16LE", UNICODE_16, "", "ucs2le unicodelittle" },
	{ "UTF-32", UNICODE_32, "", "ucs4 iso10646ucs4 csucs4" },
	{ "UTF-32BE", UNICODE_32, "", "ucs4be" },
	{ "UTF-32LE", UNICODE_32, "", "ucs4le" },
	{ "UTF-7", ICONV, "", "unicode11utf7 unicode20utf7 csunicode11utf7" },
	{ "GB2312", ICONV, "GB18030", "gb231280 csgb2312 euccn gb chinese "
	    "csiso58gb231280 isoir58" },
	{ "GBK", ICONV, "GB18030", "cp936 ms936 windows936 936 csgbk" },
	{ "GB18030", ICONV, "", "csgb18030" },
	{ "Big5", ICONV, "BIG5", "bigfive big5eten big5tw csbig5 cnbig5 cp950 "
	    "ms950 windows950 950" },
	{ "Big5-HKSCS", ICONV, "BIG5-HKSCS", "hkscs big5hk csbig5hkscs" },
	{ "EUC-TW", ICONV, "", "" },
	{ "EUC-JP", ICONV, "EUC-JP-MS", "eucjpms ujis eucjpwin "
	    "cseucpkdfmtjapanese extendedunixcodepackedformatforjapanese" },
	{ "ISO-2022-JP", ICONV, "ISO-2022-JP-2", "iso2022jp1 iso2022jp2 "
	    "csiso2022jp csiso2022jp2 jis cp50220 cp50221" },
	{ "Shift_JIS", ICONV, "CP932", "sjis mskanji csshiftjis cp932 ms932 "
	    "windows932 932 windows31j cswindows31j" },
	{ "EUC-KR", ICONV, "UHC", "cseuckr ksc56011987 ksc56011989 ksc5601 "
	    "korean csksc56011987 cp949 ms949 windows949 949 uhc isoir149" },
	{ "ISO-2022-KR", ICONV, "", "csiso2022kr" },
};

enum {
	ROWS = sizeof(rows) / sizeof(*rows),
	TABLES = 64,
	NONE = 0xFFFD,		/* no such character */
	STEP = 4096,
	NAME_MAX_BYTES = 64,
};

/*
 * What charset_init found, by row. Tables hold code points of the basic plane:
 * no single-byte charset has others. Written once, so shared after a fork.
 */
static struct {
	bool is_known;
	bool ascii_below;	/* table: its lower half is ASCII */
	uint8_t table;		/* number of its table */
	iconv_t cd;		/* may be shared with other rows */
} state[ROWS];

static uint16_t tables[TABLES][256];
static bool is_ready;
static size_t fallback_row;

/* ---- names ---- */

/* Lower case, letters and digits only; false when it does not fit. */
static bool
normalise(struct span s, char *out, size_t size)
{
	size_t n = 0;

	/* RFC 2231 5: a language may follow. */
	s.n = span_find(s, '*');
	if (span_istarts(s, SPAN("x-"))) {
		s.p += 2;
		s.n -= 2;
	}
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
			continue;
		if (n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

static bool
has_word(const char *words, struct span word)
{
	struct span rest = span_of(words);

	while (rest.p != NULL)
		if (span_eq(span_cut(&rest, ' '), word))
			return true;
	return false;
}

static size_t
look_up(struct span name)
{
	char want[NAME_MAX_BYTES], have[NAME_MAX_BYTES];

	if (!normalise(name, want, sizeof(want)))
		return ROWS;
	for (size_t i = 0; i < ROWS; i++)
		if ((normalise(span_of(rows[i].name), have, sizeof(have)) &&
		    strcmp(have, want) == 0) ||
		    has_word(rows[i].aliases, span_of(want)))
			return i;
	return ROWS;
}

/* The row of a charset; ROWS when there is none. Remembers the last one asked
 * for: a header, a part and a mailbox mostly have one charset. */
static size_t
find_row(struct span name)
{
	static char last[NAME_MAX_BYTES];
	static size_t last_n, last_row = ROWS;

	if (name.n == last_n && name.n > 0 && memcmp(name.p, last, last_n) == 0)
		return last_row;
	if (name.n == 0 || name.n > sizeof(last))
		return ROWS;
	last_row = look_up(name);
	last_n = name.n;
	memcpy(last, name.p, name.n);
	return last_row;
}

/* ---- start ---- */

static const char *
iconv_name(size_t row)
{
	return *rows[row].iconv == '\0' ? rows[row].name : rows[row].iconv;
}

/* One byte as a code point; some charsets hold it back for an accent. */
static uint16_t
ask_iconv(iconv_t cd, unsigned byte)
{
	char in = (char)byte, *from = &in;
	wchar_t made[4] = { 0 };
	char *to = (char *)made;
	size_t in_left = 1, room = sizeof(made);

	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &from, &in_left, &to, &room) == (size_t)-1 ||
	    iconv(cd, NULL, NULL, &to, &room) == (size_t)-1 ||
	    room != sizeof(made) - sizeof(*made))
		return NONE;
	return made[0] > 0 && made[0] <= 0xFFFF ? (uint16_t)made[0] :
	    (uint16_t)(byte == 0 ? 0 : NONE);
}

static void
make_table(size_t row, uint8_t number)
{
	iconv_t cd = iconv_open("WCHAR_T", iconv_name(row));
	uint16_t *t = tables[number];

	if (cd == (iconv_t)-1)
		return;
	state[row].ascii_below = true;
	for (unsigned i = 0; i < 256; i++) {
		t[i] = ask_iconv(cd, i);
		if (i < 128 && t[i] != i)
			state[row].ascii_below = false;
	}
	iconv_close(cd);
	state[row].table = number;
	state[row].is_known = true;
}

static void
open_shared(size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (rows[i].kind == ICONV && state[i].is_known &&
		    strcmp(iconv_name(i), iconv_name(row)) == 0) {
			state[row] = state[i];
			return;
		}
	state[row].cd = iconv_open("UTF-8", iconv_name(row));
	state[row].is_known = state[row].cd != (iconv_t)-1;
}

void
charset_init(void)
{
	uint8_t number = 0;

	if (is_ready)
		return;
	is_ready = true;
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].kind == ICONV)
			open_shared(i);
		else if (rows[i].kind != TABLE)
			state[i].is_known = true;
		else if (number < TABLES)
			make_table(i, number++);
	}
	fallback_row = find_row(SPAN("windows-1252"));
}

bool
charset_is_known(struct span name)
{
	size_t row = find_row(name);

	charset_init();
	return row < ROWS && state[row].is_known;
}

const char *
charset_name(size_t i)
{
	charset_init();
	for (size_t row = 0; row < ROWS; row++)
		if (state[row].is_known && i-- == 0)
			return rows[row].name;
	return NULL;
}

/* ---- conversion ---- */

/* Output on its way: so that the buffer's bound is met exactly, and not asked
 * for each character. */
struct step {
	struct buf *out;
	size_t n;
	char p[STEP];
};

static void
push(struct step *w)
{
	buf_add(w->out, w->p, w->n);
	w->n = 0;
}

static inline void
put(struct step *w, uint32_t c)
{
	char *p;

	if (w->n > STEP - 4)
		push(w);
	p = w->p + w->n;
	if (c < 0x80) {
		*p++ = (char)c;
	} else if (c < 0x800) {
		*p++ = (char)(0xC0 | c >> 6);
		*p++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*p++ = (char)(0xE0 | c >> 12);
		*p++ = (char)(0x80 | (c >> 6 & 63));
		*p++ = (char)(0x80 | (c & 63));
	} else {
		*p++ = (char)(0xF0 | c >> 18);
		*p++ = (char)(0x80 | (c >> 12 & 63));
		*p++ = (char)(0x80 | (c >> 6 & 63));
		*p++ = (char)(0x80 | (c & 63));
	}
	w->n = (size_t)(p - w->p);
}

/* How many bytes of ASCII s begins with. */
static size_t
ascii_length(struct span s)
{
	size_t i = 0;
	uint64_t word;

	for (; i + sizeof(word) <= s.n; i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		if ((word & 0x8080808080808080u) != 0)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

static void
from_table(size_t row, struct span s, struct step *w)
{
	const uint16_t *t = tables[state[row].table];

	while (s.n > 0 && !w->out->over) {
		size_t n = state[row].ascii_below ? ascii_length(s) : 0;

		if (n > 0) {
			push(w);
			buf_add(w->out, s.p, n);
		} else {
			put(w, t[(unsigned char)s.p[0]]);
			n = 1;
		}
		s.p += n;
		s.n -= n;
	}
}

/* Valid UTF-8 as it is, each other byte as U+FFFD. */
static void
from_utf8(struct span s, struct step *w)
{
	while (s.n > 0 && !w->out->over) {
		size_t n = 0, len;

		while (n < s.n && (len = span_utf8((struct span){ s.p + n,
		    s.n - n })) > 0)
			n += len;
		push(w);
		buf_add(w->out, s.p, n);
		if (n < s.n) {
			put(w, NONE);
			n++;
		}
		s.p += n;
		s.n -= n;
	}
}

static uint32_t
unit_at(const char *p, size_t width, bool little)
{
	uint32_t v = 0;

	for (size_t i = 0; i < width; i++)
		v = v << 8 | (unsigned char)p[little ? width - 1 - i : i];
	return v;
}

/* The order that a name or a mark at the beginning gives; RFC 2781 4.3: else
 * it is big-endian. The mark is taken off. */
static bool
is_little(size_t row, size_t width, struct span *s)
{
	const char *end = rows[row].name + strlen(rows[row].name) - 2;
	bool little = strcmp(end, "LE") == 0;
	bool by_mark = !little && strcmp(end, "BE") != 0;

	if (s->n < width)
		return little;
	if (by_mark && unit_at(s->p, width, true) == 0xFEFF)
		little = true;
	if (unit_at(s->p, width, little) == 0xFEFF) {
		s->p += width;
		s->n -= width;
	}
	return little;
}

static void
from_unicode(size_t row, struct span s, struct step *w)
{
	size_t width = rows[row].kind == UNICODE_16 ? 2 : 4;
	bool little = is_little(row, width, &s);

	for (; s.n >= width && !w->out->over; s.p += width, s.n -= width) {
		uint32_t c = unit_at(s.p, width, little), low;

		if (width == 2 && c >= 0xD800 && c <= 0xDBFF && s.n >= 4 &&
		    (low = unit_at(s.p + 2, 2, little)) >= 0xDC00 &&
		    low <= 0xDFFF) {
			c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
			s.p += 2;
			s.n -= 2;
		}
		put(w, c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? NONE : c);
	}
	if (s.n > 0)
		put(w, NONE);
}

/* Nothing that iconv says is believed to be progress unless it is. */
static void
from_iconv(size_t row, struct span s, struct step *w)
{
	iconv_t cd = state[row].cd;
	char *from = (char *)(uintptr_t)s.p, *to;
	size_t left = s.n, room;
	bool flushing = false;

	iconv(cd, NULL, NULL, NULL, NULL);
	while (!w->out->over) {
		size_t rc, before = left;

		push(w);
		to = w->p;
		room = sizeof(w->p);
		rc = iconv(cd, flushing ? NULL : &from, flushing ? NULL : &left,
		    &to, &room);
		w->n = sizeof(w->p) - room;
		if (rc != (size_t)-1) {
			if (flushing)
				return;
			flushing = true;
		} else if (errno == EILSEQ && left > 0) {
			put(w, NONE);
			from++;
			left--;
		} else if (errno != E2BIG || (left == before && w->n == 0)) {
			/* EINVAL: cut within a character. */
			put(w, NONE);
			return;
		}
	}
}

/* Neither declared nor UTF-8: what such mail mostly is. */
static void
from_unknown(struct span s, struct step *w)
{
	if (utf8_is_valid(s))
		buf_add_span(w->out, s);
	else if (state[fallback_row].is_known)
		from_table(fallback_row, s, w);
	else
		from_utf8(s, w);
}

void
charset_to_utf8(struct span charset, struct span s, struct buf *out)
{
	size_t row = find_row(charset);
	struct step w;

	w.out = out;
	w.n = 0;
	charset_init();
	if (row == ROWS || !state[row].is_known) {
		from_unknown(s, &w);
		push(&w);
		return;
	}
	switch (rows[row].kind) {
	case PLAIN:
		/* Mail without a charset is said to be this, and is not. */
		from_unknown(s, &w);
		break;
	case UNICODE_8:
		from_utf8(s, &w);
		break;
	case TABLE:
		from_table(row, s, &w);
		break;
	case UNICODE_16:
	case UNICODE_32:
		from_unicode(row, s, &w);
		break;
	case ICONV:
		from_iconv(row, s, &w);
		break;
	}
	push(&w);
}
