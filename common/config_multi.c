/* The policies of RFC 2180 as settings: rows of config.def, used for many mailboxes. */
#include "common/config_multi.h"

#include "common/config_impl.h"

#include <string.h>

static const char *const names[MULTI_COUNT] = {
	[MULTI_DELETE] = "multiaccess_delete",
	[MULTI_RENAME] = "multiaccess_rename",
	[MULTI_EXPUNGE] = "multiaccess_expunge",
	[MULTI_STORE] = "multiaccess_store",
	[MULTI_COPY] = "multiaccess_copy",
	[MULTI_SEEN] = "multiaccess_seen",
	[MULTI_GHOST_MAX_AGE] = "multiaccess_ghost_max_age",
};

static const struct cfg_option *
row_of(enum config_multi m)
{
	return &cfg_options[cfg_option_find(names[m])];
}

const char *
config_multi_name(enum config_multi m)
{
	return names[m];
}

enum config_multi
config_multi_find(const char *name)
{
	int m = 0;

	while (m < MULTI_COUNT && strcmp(names[m], name) != 0)
		m++;
	return (enum config_multi)m;
}

int64_t
config_multi_global(const struct config *cfg, enum config_multi m)
{
	const struct cfg_option *o = row_of(m);
	const char *field = (const char *)cfg + o->offset;
	uint64_t ms;
	int word;

	if (o->kind == KIND_ENUM) {
		memcpy(&word, field, sizeof(word));
		return word;
	}
	memcpy(&ms, field, sizeof(ms));
	return (int64_t)ms;
}

bool
config_multi_parse(enum config_multi m, const char *text, struct arena *a,
    int64_t *value_out, const char **why_out)
{
	struct config scratch = { 0 };

	if (!cfg_option_set(&scratch, row_of(m), text, a, why_out))
		return false;
	*value_out = config_multi_global(&scratch, m);
	return true;
}

void
config_multi_text(enum config_multi m, int64_t value, struct buf *out)
{
	const struct cfg_option *o = row_of(m);
	struct config scratch = { 0 };
	char *field = (char *)&scratch + o->offset;
	uint64_t ms = (uint64_t)value;
	int word = (int)value;

	if (o->kind == KIND_ENUM)
		memcpy(field, &word, sizeof(word));
	else
		memcpy(field, &ms, sizeof(ms));
	cfg_option_text(&scratch, o, out);
}

void
config_multi_clear(int64_t value[MULTI_COUNT])
{
	for (int m = 0; m < MULTI_COUNT; m++)
		value[m] = MULTI_UNSET;
}

const char *
config_multi_contradiction(const int64_t value[MULTI_COUNT])
{
	if (value[MULTI_EXPUNGE] == EXPUNGE_GHOST &&
	    value[MULTI_GHOST_MAX_AGE] == 0)
		return "multiaccess_expunge = ghost keeps what "
		    "multiaccess_ghost_max_age = 0 does not keep; take "
		    "partial, or give the ghosts some time";
	if (value[MULTI_EXPUNGE] == EXPUNGE_REFUSE &&
	    value[MULTI_GHOST_MAX_AGE] > 0)
		return "with multiaccess_expunge = refuse there are no ghosts, "
		    "so that multiaccess_ghost_max_age says nothing; leave it "
		    "out";
	return NULL;
}
