/* loftctl quota: as doveadm quota get and recalc. */
#include "common/quota_rules.h"
#include "maildir/account.h"
#include "maildir/quota.h"
#include "worker/admin.h"

static int
refuse(struct admin *a, enum err e)
{
	if (e == ERR_NOTFOUND || a->account->how.quota == NULL) {
		buf_adds(&a->out, "this user has no quota\n");
		return ADMIN_UNAVAILABLE;
	}
	buf_adds(&a->out, "the mail cannot be counted now; the log says why\n");
	return ADMIN_TEMPFAIL;
}

static void
row(struct admin *a, const char *type, uint64_t value, uint64_t limit)
{
	admin_word(a, span_of(a->account->how.quota->name));
	buf_addf(&a->out, "\t%s\t%llu\t", type, (unsigned long long)value);
	if (limit == 0)
		buf_adds(&a->out, "-\t0\n");
	else
		buf_addf(&a->out, "%llu\t%llu\n", (unsigned long long)limit,
		    (unsigned long long)(value * 100 / limit));
}

int
admin_quota_get(struct admin *a)
{
	struct quota_status st;
	enum err e = quota_get(a->account, &st);

	if (e != ERR_OK)
		return refuse(a, e);
	buf_adds(&a->out, "Quota name\tType\tValue\tLimit\t%\n");
	row(a, "STORAGE", st.used.bytes / 1024 + (st.used.bytes % 1024 != 0),
	    st.limits.bytes / 1024);
	row(a, "MESSAGE", st.used.messages, st.limits.messages);
	return ADMIN_OK;
}

int
admin_quota_recalc(struct admin *a)
{
	enum err e = a->account->how.quota == NULL ? ERR_NOTFOUND :
	    quota_recalculate(a->account);

	return e == ERR_OK ? ADMIN_OK : refuse(a, e);
}
