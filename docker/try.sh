#!/usr/bin/env bash
# In a container, as its user: try what docker/README.md promises; prints Markdown.
#   docker run --rm -v "$PWD/docker:/docker:ro" clr_ignite bash /docker/try.sh
set -euo pipefail
here=$(dirname "$0")
export OMP_NUM_THREADS=1  # the nets are small, and the machine may be shared
TIMEFORMAT=$'```\n\n%R s.'

try() {  # what is tried, its command; its output and time go into the log
  printf '\n%s\n\n```\n$ %s\n' "$1" "${*:2}"
  { time "${@:2}" 2>&1; } 2>&1
}
seconds() {  # each line of a command with the second in which it came
  local start=$SECONDS line
  "$@" 2>&1 | while IFS= read -r line; do printf '%3d s  %s\n' $((SECONDS - start)) "$line"; done
}
commands() {  # of the services in the compose file
  tr '\n' ' ' < "$here/compose.yaml" | grep -o 'command: \[[^]]*\]' | sed 's/command: \[//; s/[]",]/ /g'
}
killed_and_again() {  # a training, killed when it has a checkpoint
  "$@" &
  until grep -qs '^50,' /results/killed/metrics.csv; do kill -0 $! || return; sleep 0.2; done
  kill -KILL $! && wait $! || echo "killed: exit $?"
  "$@"
}
page() {
  python - << 'END'
import hashlib, os, requests
url, page = "http://127.0.0.1:8097", "http://127.0.0.1:8097/env/clr_ignite"
print("GET /env/clr_ignite before the login:", requests.get(page).status_code)
with requests.Session() as session:
    for which, password in ("a wrong", "x"), ("the", os.environ["VISDOM_PASSWORD"]):
        digest = hashlib.sha256(password.encode()).hexdigest()
        login = {"username": os.environ["VISDOM_USERNAME"], "password": digest}
        print(f"POST / with {which} password:", session.post(url, json=login).status_code)
    print("GET /env/clr_ignite after it:", session.get(page).status_code)
    print("environments:", session.post(f"{url}/env_state", json={}).json())
END
}

printf '\n## As its user\n'
try "User and versions:" sh -c 'id; python -V; pip freeze | grep -E "^(numpy|pytorch-ignite|torch|torchvision|visdom)="'
try "Owners of the volumes:" stat -c '%U %n' /data /results /visdom
mapfile -t check < <(sed -n 's/^HEALTHCHECK.* CMD //p' "$here/Dockerfile" | python -c 'import json; print(*json.loads(input()), sep="\n")')
try "The health check:" "${check[@]}"
try "The command line:" python -m clr_ignite.cifar10 --help
try "The quickstart:" python /app/examples/quickstart.py
try "A range test on digits:" python -m clr_ignite.cifar10 range-test --iterations 100 --eval-every 20 --no-progress --out /results/range-test
try "A training that is killed and started again:" killed_and_again \
  python -m clr_ignite.cifar10 train --experiment full-triangular2 \
  --iterations 100 --eval-every 25 --no-progress --out /results/killed

printf '\n## With a page to watch\n'
mapfile -t services < <(commands)
read -ra server <<< "${services[0]}"
read -ra training <<< "${services[1]}"
asked="${training[*]}"  # with one space between words, as below
asked=${asked/--data cifar10 --folder \/data --device cuda/--data digits --iterations 100 --eval-every 25}
read -ra training <<< "${asked/visdom:/127.0.0.1:}"
export VISDOM_USE_ENV_CREDENTIALS=1 VISDOM_USERNAME=reader VISDOM_PASSWORD=$RANDOM$RANDOM VISDOM_COOKIE=$RANDOM$RANDOM
printf '\nThe server of the compose file, `%s`, and beside it:\n' "${server[*]}"
"${server[@]}" > /tmp/server.log 2>&1 &
trap "kill $!" EXIT
until python -c "import socket; socket.create_connection(('127.0.0.1', 8097), 5)" 2> /dev/null; do kill -0 $!; sleep 1; done
try "Its training, on digits and the CPU, each line when it comes:" seconds "${training[@]}"
try "The page, without a login, with a wrong one and with the right one:" page

printf '\n## What is in the volume\n'
try "As an archive:" sh -c 'tar -C /results -c . | tar -t | sort'
