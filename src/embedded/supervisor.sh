# Makes a cluster in a directory of its own, runs the server, and removes both when standard input ends.
#
#   sh supervisor.sh DIRECTORY INITDB POSTGRES SYNC [POSTGRES-ARGUMENT...]      (SYNC: -N, or empty)
#
# Standard input is a pipe whose other end only the owner holds, so it ends with the owner, however that dies. A
# line on it means "keep": then the server lives until somebody stops it, and the directory goes after it.
# Standard output stays open for as long as the server lives, and carries the reason when there is no directory.

trap '' HUP INT TERM
umask 077
PATH=$PATH:/usr/bin:/bin
directory=$1 initdb=$2 postgres=$3 sync=$4
shift 4

# Without -p: a directory that somebody else put there is refused, never adopted and never removed.
mkdir "$directory" 2>&1 || exit 1

# A background job without job control ignores SIGQUIT until `postgres` installs its own handler.
# shellcheck disable=SC2086 # An empty $sync is no argument.
(
  "$initdb" -D "$directory/data" -U postgres -A trust -E UTF8 --locale=C $sync &&
    exec "$postgres" -D "$directory/data" "$@"
) 3>&1 >"$directory/log" 2>&1 </dev/null &
server=$!

# The owner's end of standard output may be gone when we clean up; writing there would kill us before we did.
exec >/dev/null 2>&1

if read -r _; then
  wait "$server"
else
  # Asked again and again, because while `initdb` runs nobody listens; the twenty seconds are for a server that hangs.
  tries=0
  while kill -s QUIT "$server"; do
    sleep 0.02
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ] || kill -s KILL "$server"
  done
fi

# Processes that outlived a killed server may still write: once more.
rm -rf "$directory" || { sleep 1 && rm -rf "$directory"; }
