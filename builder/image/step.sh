#!/slipway/busybox sh
# One step of a task in a container of its own: step.sh DIRECTORY. The agent, in another container of the group, puts a
# script into DIRECTORY/N for the Nth attempt and then the file `go`; here it is run, its output goes into `output` and its
# exit status into `exit`. The image may lack everything, so each program used is busybox's own.
tools=/slipway/busybox
place=$1
attempt=1
: "${PATH:=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
export PATH
nap() { "$tools" sleep 0.05; }

until [ -e /slipway/hosts ]; do nap; done
"$tools" cat /slipway/hosts >>/etc/hosts 2>/dev/null

while :; do
    here=$place/$attempt
    until [ -e "$here/go" ]; do
        [ ! -e "$place/end" ] || exit 0
        nap
    done
    (
        "$tools" setsid "$tools" sh "$here/script" >"$here/output" 2>&1 </dev/null
        echo $? >"$here/exit.new"
        "$tools" mv "$here/exit.new" "$here/exit"
    ) &
    until [ -e "$here/exit" ]; do
        if [ -e "$here/kill" ] && [ -s "$here/pid" ]; then
            group=$("$tools" cat "$here/pid")
            case $group in
                '' | 0* | 1 | *[!0-9]*) ;; # anything else could mean every process
                *) "$tools" kill -9 "-$group" 2>/dev/null ;;
            esac
        fi
        nap
    done
    attempt=$((attempt + 1))
done
