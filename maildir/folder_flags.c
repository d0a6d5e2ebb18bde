/* The column of flags in the pages of a folder, and nothing else of them. */
#include "maildir/folder_flags.h"

#include <string.h>

#include "common/db.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/index.h"
#include "maildir/seen.h"

/*
 * A page that holds just the UIDs that come next, which is the rule: compared
 * and copied as columns (index.h describes them).
 */
static bool
copy_page(const struct page *p, const uint32_t *uids, size_t n, uint8_t *out)
{
	uint32_t flags[PAGE_RECORDS];

	if (n < p->n || memcmp(uids, p->u32s, p->n * sizeof(*uids)) != 0)
		return false;
	memcpy(flags, p->u32s + p->n * sizeof(*flags),
	    p->n * sizeof(*flags));
	for (uint32_t i = 0; i < p->n; i++)
		out[i] = (uint8_t)(flags[i] & FLAG_ALL);
	return true;
}

/* Any other: UIDs up to its last one. Returns how many. */
static size_t
merge_page(const struct page *p, const uint32_t *uids, size_t n, uint8_t *out)
{
	uint32_t at = 0, last = page_uid(p, p->n - 1);
	size_t i;

	for (i = 0; i < n && uids[i] <= last; i++) {
		while (page_uid(p, at) < uids[i])
			at++;
		if (page_uid(p, at) == uids[i])
			out[i] = (uint8_t)(page_flags(p, at) & FLAG_ALL);
	}
	return i;
}

enum err
folder_flags(struct folder *f, const uint32_t *uids, size_t n,
    uint8_t *flags_out)
{
	struct page_iter it;
	struct db_txn *t;
	size_t i = 0;
	enum err e;

	memset(flags_out, FLAGS_GONE, n);
	if (n == 0)
		return ERR_OK;
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = page_iter_begin(t, f->id, uids[0], &it)) == ERR_OK) {
		while (i < n && (e = page_iter_next(&it)) == ERR_OK)
			i += copy_page(&it.page, uids + i, n - i,
			    flags_out + i) ? it.page.n :
			    merge_page(&it.page, uids + i, n - i,
			    flags_out + i);
		page_iter_end(&it);
	}
	db_abort(&t);
	for (i = 0; f->seen != NULL && i < n; i++)
		if (flags_out[i] != FLAGS_GONE)
			flags_out[i] = (uint8_t)seen_flags(f->seen, uids[i],
			    flags_out[i]);
	if (e == ERR_NOTFOUND)
		return ERR_OK;
	return e == ERR_CORRUPT ? ERR_UNAVAIL : e;
}
