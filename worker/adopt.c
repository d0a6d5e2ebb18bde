/*
 * Reads a host that another server serves, its configuration, users and mail, and says
 * all at once what will work, what will not and what to do. It changes nothing.
 */
#include "worker/adopt.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/place.h"
#include "maildir/inspect.h"
#include "worker/adopt_users.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What a message takes in the state, with cached answers: an estimate, rather high. */
enum { STATE_PER_MESSAGE = 1500, STATE_PER_ACCOUNT = 100000 };

enum weight { WORKS, CARE, LOST };

struct adopting {
	const struct config *cfg;
	struct arena arena;
	unsigned losses, cares;
	uint64_t users, no_mail;
	struct inspection all;
	uint64_t free_bytes;		/* of the fullest file system */
	bool any_free;
};

/* One finding, one line. */
__attribute__((format(printf, 3, 4))) static void
say(struct adopting *x, enum weight w, const char *fmt, ...)
{
	static const char *const words[] = { "works", "note ", "LOST " };
	va_list ap;

	x->losses += w == LOST;
	x->cares += w == CARE;
	printf("%s  ", words[w]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- the configuration ---- */

static void
tell_configuration(struct adopting *x, const struct config_problem *p)
{
	size_t fatal = 0, notes = 0, ignored = 0;

	for (; p != NULL; p = p->next) {
		fatal += p->is_fatal;
		ignored += p->is_ignored;
		notes += !p->is_fatal && !p->is_ignored;
		say(x, p->is_fatal ? LOST : CARE, "%s:%u: %s", p->file, p->line,
		    p->text);
	}
	say(x, WORKS, "the configuration %s is read: %zu settings or blocks "
	    "that Loft does without, %zu remarks, %zu that stop it",
	    x->cfg->path, ignored, notes, fatal);
}

/* ---- a user ---- */

static const char *
expanded(struct adopting *x, const char *template, const struct config_vars *v)
{
	const char *out = "";

	if (template == NULL || *template == '\0' ||
	    config_expand(template, v, &x->arena, &out) != ERR_OK)
		return "";
	return out;
}

/* The file's home, else that of the userdbs, else mail_home. */
static const char *
home_of(struct adopting *x, const struct adopt_user *u,
    const struct config_vars *v)
{
	const char *home = u->home;

	for (const struct config_userdb *d = x->cfg->userdb; d != NULL &&
	    *home == '\0'; d = d->next)
		home = expanded(x, d->home, v);
	return *home != '\0' ? home : expanded(x, x->cfg->mail_home, v);
}

static const char *
mail_of(struct adopting *x, const struct adopt_user *u)
{
	const char *mail = u->mail;

	for (const struct config_userdb *d = x->cfg->userdb; d != NULL &&
	    *mail == '\0'; d = d->next)
		mail = d->mail == NULL ? "" : d->mail;
	return mail;
}

static void
note_space(struct adopting *x, const char *path)
{
	struct statvfs fs;
	uint64_t n;

	if (statvfs(path, &fs) != 0)
		return;
	n = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (!x->any_free || n < x->free_bytes)
		x->free_bytes = n;
	x->any_free = true;
}

static void
add_up(struct inspection *all, const struct inspection *i)
{
	all->folders += i->folders;
	all->messages += i->messages;
	all->bytes += i->bytes;
	all->sieve |= i->sieve;
	all->quota |= i->quota;
	all->acl |= i->acl;
	all->courier |= i->courier;
	all->wrong_sizes += i->wrong_sizes;
}

/* What of one account is worth a line. */
static void
tell_account(struct adopting *x, const char *user, const struct inspection *i)
{
	static const char keywords[] = "all 26 letters for keywords are taken; "
	    "keywords beyond are in dovecot.index only and would be lost: "
	    "compare with \"doveadm fetch 'flags'\" and take off those that "
	    "nobody needs";
	const struct {
		uint64_t n;
		enum weight weight;
		const char *text;
	} findings[] = {
		{ i->dbox, LOST, "has mail in another format (dbox): convert "
		    "it with \"doveadm backup -u USER maildir:~/Maildir\" "
		    "first" },
		{ i->keywords_full, LOST, keywords },
		{ i->compressed, LOST, "messages are compressed and would be "
		    "shown as they are: uncompress them first" },
		{ i->foreign_links, LOST, "folders are symbolic links, which "
		    "Loft does not follow: move the folders here, or mount "
		    "them (mount --bind)" },
		{ i->bad_names, LOST, "directories have names that are no "
		    "mailbox names (modified UTF-7) and would not be seen: "
		    "rename them" },
		{ i->separators, LOST, "folders have the separator of the "
		    "namespace in their names and could not be named: rename "
		    "them, or choose another separator" },
		{ i->unreadable, LOST, "folders cannot be read: see their "
		    "owner and mode" },
		{ i->bad_lists, LOST, "dovecot-uidlist is damaged: UIDs would "
		    "change, clients download again" },
		{ i->private_seen, LOST, "\\Seen of each user alone is in "
		    "dovecot.index.pvt, which Loft does not read: it starts "
		    "from the owner's" },
		{ i->no_lists, CARE, "folders have mail and no UIDs yet: they "
		    "get them at the first look" },
	};

	for (size_t k = 0; k < sizeof(findings) / sizeof(*findings); k++)
		if (findings[k].n > 0)
			say(x, findings[k].weight, "user %s: %" PRIu64 ": %s",
			    log_text(span_of(user)), findings[k].n,
			    findings[k].text);
	if (i->example.n > 0)
		say(x, CARE, "user %s: it is about %.*s",
		    log_text(span_of(user)), (int)i->example.n, i->example.p);
}

/* Also of a configuration that has no such namespace, and says so. */
static char
separator(const struct config *cfg)
{
	for (const struct config_namespace *ns = cfg->namespaces; ns != NULL;
	    ns = ns->next)
		if (ns->inbox)
			return ns->separator;
	return '.';
}

static void
look_at_user(struct adopting *x, const struct adopt_user *u)
{
	struct config_vars v = { .user = u->name, .service = "imap" };
	struct inspection i = { 0 };
	struct place_paths paths = { 0 };
	enum err e;

	if (u->broken) {
		say(x, LOST, "%s:%u: this line is no user", u->file, u->line);
		return;
	}
	x->users++;
	v.home = home_of(x, u, &v);
	if (*v.home == '\0')
		v.home = NULL;
	if (place_find(x->cfg, &v, mail_of(x, u), &x->arena, &paths) !=
	    ERR_OK) {
		say(x, LOST, "user %s: where his mail is cannot be told from "
		    "the configuration", log_text(span_of(u->name)));
		return;
	}
	e = inspect(paths.root, paths.control, separator(x->cfg), &i);
	if (e == ERR_NOTFOUND)
		x->no_mail++;
	else if (e != ERR_OK)
		say(x, LOST, "user %s: %s cannot be read", log_text(
		    span_of(u->name)), log_text(span_of(paths.root)));
	else
		tell_account(x, u->name, &i);
	if (e == ERR_OK)
		note_space(x, paths.index != NULL &&
		    access(paths.index, F_OK) == 0 ? paths.index : paths.root);
	add_up(&x->all, &i);
	inspect_clear(&i);
}

/* On a terminal a line that is written over, else one now and then. */
static void
progress(size_t done, size_t all)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu of %zu users%s", done, all,
		    done == all ? "\n" : "");
	else if (done % 1000 == 0)
		fprintf(stderr, "%zu of %zu users\n", done, all);
}

/* ---- all ---- */

static void
tell_sum(struct adopting *x, uint64_t took_ms)
{
	const struct inspection *a = &x->all;
	uint64_t state = a->messages * STATE_PER_MESSAGE + (x->users -
	    x->no_mail) * STATE_PER_ACCOUNT;

	say(x, WORKS, "%" PRIu64 " users, %" PRIu64 " of them without mail; %"
	    PRIu64 " folders, %" PRIu64 " messages, %" PRIu64 " MiB", x->users,
	    x->no_mail, a->folders, a->messages, a->bytes >> 20);
	if (a->wrong_sizes > 0)
		say(x, CARE, "%" PRIu64 " file names claim a wrong size (S=): "
		    "Loft goes by the files", a->wrong_sizes);
	if (a->courier)
		say(x, WORKS, "Courier's UIDs and subscriptions are taken "
		    "over; its keywords (courierimapkeywords) are not");
	if (a->acl)
		say(x, WORKS, "lists of rights (dovecot-acl) count as they "
		    "are");
	if (a->quota)
		say(x, CARE, "there are quotas (maildirsize): see what the "
		    "configuration's lines above say of them");
	if (a->sieve)
		say(x, CARE, "there are Sieve scripts: they belong to "
		    "delivery; let what runs them deliver into the Maildirs");
	say(x, x->any_free && state > x->free_bytes ? LOST : WORKS,
	    "Loft's state takes about %" PRIu64 " MiB at most; %" PRIu64
	    " MiB are free where there is least", state >> 20,
	    x->free_bytes >> 20);
	say(x, WORKS, "there is nothing to convert: the first look at a folder "
	    "takes what this one took, %" PRIu64 " ms for all of them",
	    took_ms);
}

/* Those that the caller named, with what the files say of them. */
static struct adopt_user *
named(struct adopting *x, const struct adopt_user *users, char **name, int n)
{
	struct adopt_user *first = NULL, **end = &first;

	for (int i = 0; i < n; i++, end = &(*end)->next) {
		*end = arena_alloc(&x->arena, sizeof(**end));
		**end = (struct adopt_user){ .name = name[i], .home = "",
			.mail = "" };
		for (const struct adopt_user *u = users; u != NULL; u = u->next)
			if (strcmp(u->name, name[i]) == 0)
				**end = *u;
		(*end)->next = NULL;
	}
	return first;
}

static void
look_at_users(struct adopting *x, char **name, int n)
{
	const char *unlisted, *unread;
	struct adopt_user *users = adopt_users(x->cfg, &x->arena, &unlisted,
	    &unread);
	size_t all = 0, done = 0;

	if (unread != NULL)
		say(x, LOST, "%s cannot be read: its users could not log in",
		    unread);
	if (n > 0)
		users = named(x, users, name, n);
	else if (unlisted != NULL)
		say(x, LOST, "the users of driver %s cannot be listed, so that "
		    "their mail was not looked at: name them behind the "
		    "configuration", unlisted);
	for (const struct adopt_user *u = users; u != NULL; u = u->next)
		all++;
	for (const struct adopt_user *u = users; u != NULL; u = u->next) {
		look_at_user(x, u);
		progress(++done, all);
	}
}

int
adopt_main(int argc, char **argv)
{
	struct adopting x = { 0 };
	struct config_problem *problems = NULL;
	struct config *cfg = NULL;
	uint64_t began = clock_mono_ms();

	log_open(STDERR_FILENO, false, NULL);
	log_set_prefix("adopt: ");
	if (argc < 2) {
		fprintf(stderr, "usage: loft-worker --adopt FILE [USER ...]\n");
		return 64;
	}
	if (config_load(argv[1], &cfg, &problems) == ERR_NOTFOUND) {
		fprintf(stderr, "loftctl: there is no %s\n", argv[1]);
		config_free(&cfg);
		return 78;
	}
	x.cfg = cfg;
	tell_configuration(&x, problems);
	look_at_users(&x, argv + 2, argc - 2);
	tell_sum(&x, clock_mono_ms() - began);
	printf("%s  %u findings that would lose something, %u to know of; "
	    "nothing was changed\n", x.losses > 0 ? "LOST " : "works",
	    x.losses, x.cares);
	arena_free(&x.arena);
	config_free(&cfg);
	return x.losses > 0;
}
