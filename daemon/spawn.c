/* Forks and executes one program with exactly its descriptors. */
#include "daemon/spawn.h"

#include "common/handover.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LOFT_LIBEXECDIR
#define LOFT_LIBEXECDIR "/usr/libexec/loft"
#endif

enum { SAFE_FD = 200, FDS_MAX = 80 };

extern char **environ;

/* The time zone, where the log goes, and what test builds listen to. */
static void
keep_environment(char **out)
{
	static const char *const kept[] = {
		"TZ=", "JOURNAL_STREAM=",
		"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=",
#ifdef LOFT_TEST_HOOKS
		"LOFT_KILL=", "LOFT_NO_IDMAP=", "LOFT_WATCH_FAILS=",
		"LOFT_PAM_DIR=",
#endif
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		for (char **e = environ; *e != NULL; e++)
			if (strncmp(*e, kept[i], strlen(kept[i])) == 0) {
				*out++ = *e;
				break;
			}
	*out = NULL;
}

__attribute__((noreturn)) static void
become(const char *path, const char *const *argv, const int *fds,
    size_t n_fds, int in_fd, const struct spawn_identity *who)
{
	char *env[16] = { (char *)(uintptr_t)"PATH=/usr/bin:/bin" };
	sigset_t none;

	/* Out of the way first: a target number may be another one's source. */
	int safe[FDS_MAX];
	for (size_t i = 0; i < n_fds; i++)
		safe[i] = fds[i] < 0 ? -1 :
		    fcntl(fds[i], F_DUPFD, SAFE_FD);
	/* A terminal is nothing for those who hear strangers. */
	if (in_fd < 0)
		in_fd = open("/dev/null", O_RDWR);
	dup2(in_fd, STDIN_FILENO);
	dup2(in_fd, STDOUT_FILENO);
	for (size_t i = 0; i < n_fds; i++) {
		if (safe[i] < 0)
			close(3 + (int)i);
		else
			dup2(safe[i], 3 + (int)i);
	}
	close_range(3 + (unsigned)n_fds, FD_INFO_LOG - 1, 0);
	close_range(FD_INFO_LOG + 1, UINT_MAX, 0);
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	keep_environment(env + 1);
	if (who != NULL && (setgroups(0, NULL) < 0 ||
	    setresgid(who->gid, who->gid, who->gid) < 0 ||
	    setresuid(who->uid, who->uid, who->uid) < 0)) {
		log_errno("cannot become uid %u", (unsigned)who->uid);
		_exit(127);
	}
	execve(path, (char *const *)(uintptr_t)argv, env);
	log_errno("cannot execute %s", path);
	_exit(127);
}

enum err
spawn(const char *path, const char *const *argv, const int *fds, size_t n_fds,
    int in_fd, const struct spawn_identity *who, pid_t *pid_out)
{
	if (n_fds > FDS_MAX) {
		log_error("too many descriptors for %s", path);
		return ERR_IO;
	}
	*pid_out = fork();
	if (*pid_out == 0)
		become(path, argv, fds, n_fds, in_fd, who);
	if (*pid_out < 0) {
		log_errno("cannot fork for %s", path);
		return ERR_IO;
	}
	/* Here too: whoever comes first, so that a signal to the group works. */
	setpgid(*pid_out, *pid_out);
	return ERR_OK;
}

const char *
spawn_worker_path(void)
{
	static char path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		snprintf(slash + 1, 16, "loft-worker");
		if (access(path, X_OK) == 0)
			return path;
	}
	snprintf(path, sizeof(path), "%s/loft-worker", LOFT_LIBEXECDIR);
	return path;
}
