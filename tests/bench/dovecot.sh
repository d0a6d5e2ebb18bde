#!/bin/bash
# dovecot.sh start|stop|reload|pid|conf BASE PORT MAILROOT
# A private Dovecot 2.3 on 127.0.0.1:PORT (plain) and PORT+1 (implicit TLS), run in the
# scratch root of scripts/dovecot-root. conf only writes BASE/dovecot.conf (with its
# certificates and passwd file), for another server to be started on it.
# Mail of user U is the Maildir MAILROOT/U/Maildir, owned by uid/gid 5000 as root, else
# by the caller.
# Environment:
#   DOVECOT_ROOT=      where scripts/dovecot-root put it (default: build/dovecot)
#   NUSERS=100         users u0001.. , password "secret", scheme {PLAIN} (so that no
#                      password hash is measured), auth cache on
#   FSYNC=optimized    mail_fsync (Dovecot's default; "never" switches it off)
#   LOGINMODE=perf     imap-login serves many connections per process (service_count=0);
#                      "secure" is Dovecot's default of one process per connection
#   IMAPCOUNT=1        service imap: connections served by one process before it exits
#   IMAPAVAIL=         service imap: processes kept ready (Dovecot's default: 0)
#   HIBERNATE=0        seconds of IDLE after which imap-hibernate takes over (0: never)
#   INDEXDIR=          "MEMORY" or a directory; empty: in the Maildir itself (default)
#   CERT=ec|rsa        ECDSA P-256 or RSA-2048 self-signed certificate
#   EXTRA=             lines for the end of the configuration
# inotify: all imap processes run as one uid, so fs.inotify.max_user_instances (128 by
# default) must be above the number of sessions; "start" raises it when it is root.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cmd=${1:-} base=${2:-} port=${3:-0} mailroot=${4:-}
: "${DOVECOT_ROOT:=$top/build/dovecot}" "${NUSERS:=100}" "${FSYNC:=optimized}"
: "${LOGINMODE:=perf}" "${IMAPCOUNT:=1}" "${IMAPAVAIL:=}" "${HIBERNATE:=0}"
: "${INDEXDIR:=}" "${CERT:=ec}" "${EXTRA:=}"
conf=$base/dovecot.conf pidfile=$base/run/master.pid

make_keys() {
	[ ! -f "$base/rsa.crt" ] || return 0
	local args=(-x509 -nodes -days 3650 -subj /CN=localhost
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1)
	openssl req "${args[@]}" -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		-keyout "$base/ec.key" -out "$base/ec.crt" 2>/dev/null
	openssl req "${args[@]}" -newkey rsa:2048 \
		-keyout "$base/rsa.key" -out "$base/rsa.crt" 2>/dev/null
}

write_conf() {
	local uid=5000 gid=5000 login="service_count = 0
  process_min_avail = 2
  client_limit = 10000
  process_limit = 4"
	[ "$LOGINMODE" = perf ] || login="service_count = 1
  process_min_avail = 4
  process_limit = 6000"
	mkdir -p "$base/run" "$base/state"
	chmod 755 "$base" "$base/run"
	make_keys
	for i in $(seq "$NUSERS"); do
		printf 'u%04d:{PLAIN}secret\n' "$i"
	done >"$base/passwd"
	chmod 644 "$base/passwd"
	# Without root: one identity for all, and no chroot.
	local self=
	if [ "$(id -u)" != 0 ]; then
		uid=$(id -u) gid=$(id -g)
		self="default_internal_user = $(id -un)
default_internal_group = $(id -gn)
default_login_user = $(id -un)
service anvil {
  chroot =
}
service stats {
  chroot =
}
service imap-login {
  chroot =
}"
	fi
	cat >"$conf" <<END
base_dir = $base/run
state_dir = $base/state
instance_name = lab-$port
log_path = $base/dovecot.log
protocols = imap
listen = 127.0.0.1
mail_location = maildir:~/Maildir${INDEXDIR:+:INDEX=$INDEXDIR}
mail_home = $mailroot/%u
mail_fsync = $FSYNC
mail_max_userip_connections = 0
first_valid_uid = $uid
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
auth_cache_ttl = 1 hour
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = $base/passwd
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$mailroot/%u
}
namespace inbox {
  inbox = yes
  separator = /
}
ssl = yes
ssl_cert = <$base/$CERT.crt
ssl_key = <$base/$CERT.key
ssl_min_protocol = TLSv1.2
default_process_limit = 200
default_client_limit = 20000
default_vsz_limit = 1G
$self
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
service imap-login {
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = $((port + 1))
    ssl = yes
  }
  $login
}
service imap {
  process_limit = 8000
  service_count = $IMAPCOUNT
  ${IMAPAVAIL:+process_min_avail = $IMAPAVAIL}
$([ "$HIBERNATE" = 0 ] || echo '  extra_groups = $default_internal_group
  unix_listener imap-master {
    user = $default_internal_user
  }')
}
$([ "$HIBERNATE" = 0 ] || echo "imap_hibernate_timeout = ${HIBERNATE}s
service imap-hibernate {
  client_limit = 20000
  unix_listener imap-hibernate {
    mode = 0660
    group = \$default_internal_group
  }
}")
$EXTRA
END
}

case $cmd in
pid) cat "$pidfile" ;;
reload) kill -HUP "$(cat "$pidfile")" ;;
conf)
	write_conf
	echo "$conf"
	;;
start)
	"$top/scripts/dovecot-root" "$DOVECOT_ROOT" >&2
	write_conf
	[ "$(id -u)" != 0 ] || sysctl -qw fs.inotify.max_user_instances=32768 \
		fs.inotify.max_user_watches=1048576 2>/dev/null || true
	# It goes into the background when its sockets listen.
	rm -f "$pidfile"
	"$DOVECOT_ROOT/dovecot" -c "$conf" </dev/null >"$base/start.log" 2>&1 || {
		cat "$base/start.log" >&2
		exit 1
	}
	# Only its child writes the pid, a moment later.
	for _ in $(seq 500); do
		[ ! -s "$pidfile" ] || break
		sleep 0.01
	done
	cat "$pidfile"
	;;
stop)
	pid=$(cat "$pidfile" 2>/dev/null) || exit 0
	kill "$pid" 2>/dev/null || exit 0
	timeout 10 tail --pid="$pid" -s 0.02 -f /dev/null || kill -9 "$pid"
	;;
*)
	sed -n '2,/^set/{/^#/p}' "$0"
	exit 64
	;;
esac
