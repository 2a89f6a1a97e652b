#!/usr/bin/env bash
# Build docker/Dockerfile where no engine runs, and try the image; prints docker/rehearsal.md.
#
#   apt-get install buildah debootstrap
#   docker/build_without_engine.sh FOLDER [OPTION ...] > docker/rehearsal.md
#
# As root. FOLDER is new and grows to 25 GB; remove it afterwards. The OPTIONs are those of `buildah
# build`: a network with certificates or package indexes of its own is told to apt, pip and npm by
# files that are mounted, such as --volume /etc/pip.conf:/etc/pip.conf:ro.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir "$1"
folder=$(cd "$1" && pwd)
buildah() { command buildah --storage-driver vfs --root "$folder/storage" --runroot "$folder/run" "$@"; }
log() { printf '%s\n' "$@"; }
steps() {  # of the lines of a build only its steps, each with the second in which it began
  while IFS= read -r line; do
    case $line in STEP* | COMMIT*) printf '%4d s  %s\n' "$SECONDS" "$line" ;; *) echo "$line" >&2 ;; esac
  done
}

debootstrap --variant=minbase trixie "$folder/root" >&2
base=$(buildah from scratch)
buildah add --quiet "$base" "$folder/root" / >&2
buildah commit --quiet --rm "$base" base >&2

log "# The image, built and tried" "" \
  "At commit $(git rev-parse HEAD), by $(buildah --version), in a root of $(. "$folder/root/etc/os-release" && echo "$PRETTY_NAME")" \
  "made by debootstrap, with $(nproc) CPUs. Each step and the second in which it began:" "" '```'
SECONDS=0
buildah build --isolation chroot --format docker --layers=false --build-arg BASE_IMAGE=localhost/base \
  "${@:2}" --file docker/Dockerfile --tag clr_ignite . | steps
log "$(printf '%4d s  built' "$SECONDS")" '```' "" "Its size, user, command, health check and volumes:" "" '```'
buildah images --format '{{.Name}} {{.Size}}' localhost/clr_ignite
buildah inspect --type image --format '{{with .Docker.Config}}{{.User}}
{{.Cmd}}
{{.Healthcheck.Test}}
{{.Volumes}}{{end}}' clr_ignite
log '```'

image=$(buildah from clr_ignite)
buildah run --isolation chroot --volume "$PWD/docker:/docker:ro" "$image" -- bash /docker/try.sh
