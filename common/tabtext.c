/* Words in a line, parted by TAB. */
#include "common/tabtext.h"

#include <string.h>

static const char plain[] = "\001\000\t\n\r", escaped[] = "10tnr";

void
tabtext_escape(struct span word, struct buf *out)
{
	for (size_t i = 0; i < word.n; i++) {
		const char *at = memchr(plain, word.p[i], sizeof(plain) - 1);

		if (at != NULL)
			buf_addc(out, '\001');
		buf_addc(out, at != NULL ? escaped[at - plain] : word.p[i]);
	}
}

bool
tabtext_byte(char c, char *out)
{
	const char *at = memchr(escaped, c, sizeof(escaped) - 1);

	*out = at == NULL ? '?' : plain[at - escaped];
	return at != NULL;
}

enum err
tabtext_unescape(struct span word, struct arena *a, struct span *out)
{
	char *text = arena_alloc(a, word.n + 1);
	size_t n = 0;

	*out = SPAN("");
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] != '\001')
			text[n++] = word.p[i];
		else if (++i == word.n || !tabtext_byte(word.p[i], &text[n++]))
			return ERR_SYNTAX;
	}
	*out = (struct span){ text, n };
	return ERR_OK;
}
