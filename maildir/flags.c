/*
 * Flags and keywords: letters in file names, dovecot-keywords.
 *
 * A name in cur/ is "<base>:2,<letters>[,<rest>]", the letters in ASCII order:
 * D F P R S T are flags, a to z the keywords 0 to 25 of dovecot-keywords in the
 * same folder, anything else is somebody's and stays. <rest> (Dovecot's old
 * ",<dovecot letters>", other programs' notes) stays too.
 *
 * dovecot-keywords: "<number> <keyword>\n", written by rename under the
 * uidlist's lock, read without one.
 */
#include "maildir/flags.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/fsutil.h"
#include "common/log.h"

enum { FILE_NAME_MAX = 255, EXTRA_MAX = 64, KEYWORD_LEN_MAX = 100 };
enum { KEYWORDS_FILE_MAX = 64 * 1024 };

static const struct {
	uint32_t bit;
	char letter;
	const char *wire;
} flag_rows[] = {
	{ FLAG_DRAFT, 'D', "\\Draft" },
	{ FLAG_FLAGGED, 'F', "\\Flagged" },
	{ FLAG_ANSWERED, 'R', "\\Answered" },
	{ FLAG_SEEN, 'S', "\\Seen" },
	{ FLAG_DELETED, 'T', "\\Deleted" },
};
enum { FLAG_ROWS = sizeof flag_rows / sizeof flag_rows[0] };

static uint32_t
bit_of_letter(char c)
{
	for (size_t i = 0; i < FLAG_ROWS; i++)
		if (flag_rows[i].letter == c)
			return flag_rows[i].bit;
	return 0;
}

const char *
flags_wire(uint32_t bit)
{
	for (size_t i = 0; i < FLAG_ROWS; i++)
		if (flag_rows[i].bit == bit)
			return flag_rows[i].wire;
	return "";
}

uint32_t
flags_from_wire(struct span name)
{
	for (size_t i = 0; i < FLAG_ROWS; i++)
		if (span_ieq(name, span_of(flag_rows[i].wire)))
			return flag_rows[i].bit;
	return 0;
}

/* ",S=" and ",W=" fields: digits up to the next comma or the end. */
static void
read_sizes(struct flagged_name *f)
{
	struct span s = f->base, field;
	uint64_t value;

	(void)span_cut(&s, ',');
	while (s.p != NULL) {
		field = span_cut(&s, ',');
		if (field.n < 3 || field.p[1] != '=')
			continue;
		if (!span_to_u64((struct span){ field.p + 2, field.n - 2 },
		    INT64_MAX, &value))
			continue;
		if (field.p[0] == 'S' && !f->has_size) {
			f->has_size = true;
			f->size = value;
		} else if (field.p[0] == 'W' && !f->has_vsize) {
			f->has_vsize = true;
			f->vsize = value;
		}
	}
}

static void
read_letters(struct span info, struct flagged_name *f, char extra_buf[64])
{
	size_t i, n = 0;

	for (i = 0; i < info.n && info.p[i] != ','; i++) {
		char c = info.p[i];
		uint32_t bit = bit_of_letter(c);
		if (bit != 0)
			f->flags |= bit;
		else if (c >= 'a' && c <= 'z')
			f->keywords |= UINT64_C(1) << (c - 'a');
		else if (n < EXTRA_MAX)
			extra_buf[n++] = c;
	}
	for (; i < info.n && n < EXTRA_MAX; i++)
		extra_buf[n++] = info.p[i];
	f->unknown = (struct span){ extra_buf, n };
}

bool
flags_parse_name(struct span file, struct flagged_name *out,
    char extra_buf[64])
{
	struct span rest = file;

	*out = (struct flagged_name){ .unknown = { extra_buf, 0 } };
	/* A line end would break the uidlist; Dovecot ignores such files too. */
	for (size_t i = 0; i < file.n; i++)
		if (file.p[i] == '/' || file.p[i] == '\n' ||
		    file.p[i] == '\r' || file.p[i] == '\0')
			return false;
	if (file.n == 0 || file.n > FILE_NAME_MAX || file.p[0] == '.')
		return false;
	out->base = span_cut(&rest, ':');
	if (out->base.n == 0)
		return false;
	if (rest.p != NULL && span_starts(rest, SPAN("2,"))) {
		out->has_info = true;
		rest.p += 2;
		rest.n -= 2;
		read_letters(rest, out, extra_buf);
	}
	read_sizes(out);
	return true;
}

enum err
flags_make_name(struct span base, uint32_t flags, uint64_t keywords,
    struct span extra, char out[400])
{
	bool on[256] = { false };
	size_t n = 0, comma = span_find(extra, ','), length;

	for (size_t i = 0; i < FLAG_ROWS; i++)
		if (flags & flag_rows[i].bit)
			on[(unsigned char)flag_rows[i].letter] = true;
	for (unsigned i = 0; i < KEYWORD_LETTERS; i++)
		if (keywords & (UINT64_C(1) << i))
			on['a' + i] = true;
	for (size_t i = 0; i < comma; i++)
		on[(unsigned char)extra.p[i]] = true;
	length = base.n + 3 + (extra.n - comma);
	for (size_t c = 0; c < 256; c++)
		length += on[c];
	out[0] = '\0';
	if (length > FILE_NAME_MAX)
		return ERR_LIMIT;
	memcpy(out, base.p, base.n);
	n = base.n;
	memcpy(out + n, ":2,", 3);
	n += 3;
	for (size_t c = 0; c < 256; c++)
		if (on[c])
			out[n++] = (char)c;
	if (extra.n > comma)
		memcpy(out + n, extra.p + comma, extra.n - comma);
	out[length] = '\0';
	return ERR_OK;
}

/* An atom of RFC 3501, the only form a keyword has on the wire. */
static bool
is_atom(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = s.p[i];
		if (c <= 0x20 || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL)
			return false;
	}
	return s.n > 0;
}

static bool
keywords_take_line(struct span line, struct arena *a, struct keywords *k)
{
	struct span number = span_cut(&line, ' ');
	uint64_t i;

	if (!span_to_u64(number, KEYWORD_LETTERS - 1, &i) || !is_atom(line))
		return false;
	if (k->name[i].n != 0)
		return false;
	k->name[i] = arena_span(a, line);
	if (k->n < i + 1)
		k->n = (unsigned)i + 1;
	return true;
}

enum err
keywords_read(int dir_fd, struct arena *a, struct keywords *out)
{
	struct buf text = { 0 };
	struct span rest, line;
	unsigned broken = 0;
	enum err e;

	*out = (struct keywords){ 0 };
	e = fs_read(dir_fd, "dovecot-keywords", KEYWORDS_FILE_MAX, &text);
	if (e == ERR_OK) {
		buf_drop_cr(&text);
		for (rest = buf_span(&text); rest.n > 0;) {
			line = span_cut(&rest, '\n');
			if (line.n > 0 && !keywords_take_line(line, a, out))
				broken++;
		}
		if (broken > 0)
			log_warn("dovecot-keywords: skipped %u broken lines",
			    broken);
	}
	buf_clear(&text);
	if (e == ERR_NOTFOUND)
		return ERR_OK;
	return e == ERR_OK || e == ERR_PERM ? e : ERR_IO;
}

enum err
keywords_write(int dir_fd, const struct keywords *k, bool sync)
{
	struct buf text = { 0 };
	struct stat st;
	mode_t mode = 0600;
	enum err e;

	for (unsigned i = 0; i < k->n && i < KEYWORD_LETTERS; i++)
		if (k->name[i].n != 0)
			buf_addf(&text, "%u %.*s\n", i, (int)k->name[i].n,
			    k->name[i].p);
	/* As the folder: a shared one is for its group. */
	if (fstat(dir_fd, &st) == 0)
		mode = st.st_mode & 0666;
	e = fs_replace(dir_fd, "dovecot-keywords", buf_span(&text), mode, sync);
	buf_clear(&text);
	return e;
}

int
keywords_find(const struct keywords *k, struct span name)
{
	for (unsigned i = 0; i < k->n; i++)
		if (k->name[i].n == name.n && name.n != 0 &&
		    span_ieq(k->name[i], name))
			return (int)i;
	return -1;
}

enum err
keywords_add(struct keywords *k, struct arena *a, struct span name,
    int *number_out)
{
	unsigned i;

	*number_out = -1;
	if (name.n > KEYWORD_LEN_MAX || !is_atom(name))
		return ERR_SYNTAX;
	for (i = 0; i < k->n && k->name[i].n != 0; i++)
		;
	if (i == KEYWORD_MAX)
		return ERR_LIMIT;
	k->name[i] = arena_span(a, name);
	if (k->n < i + 1)
		k->n = i + 1;
	*number_out = (int)i;
	return ERR_OK;
}
