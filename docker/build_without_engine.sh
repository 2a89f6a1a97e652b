#!/usr/bin/env bash
# Build docker/Dockerfile where no engine runs, and try the image; prints docker/rehearsal.md.
#
#   apt-get install buildah debootstrap
#   docker/build_without_engine.sh [OPTION ...] > docker/rehearsal.md
#
# As root; takes 25 GB of $TMPDIR until it ends. The OPTIONs are those of `buildah build`: a network
# with certificates or package indexes of its own is told to apt, pip and npm by files that are
# mounted, such as --volume /etc/pip.conf:/etc/pip.conf:ro.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
buildah() { command buildah --storage-driver vfs --root "$folder/storage" --runroot "$folder/run" "$@"; }

debootstrap --variant=minbase trixie "$folder/root" >&2
base=$(buildah from scratch)
buildah add --quiet "$base" "$folder/root" / >&2
buildah commit --quiet --rm "$base" base >&2

SECONDS=0
buildah build --isolation chroot --format docker --layers=false --build-arg BASE_IMAGE=localhost/base \
  "$@" --file docker/Dockerfile --tag clr_ignite . >&2
cat << END
# The image, built and tried

At commit $(git rev-parse HEAD), by $(buildah --version),
on Debian trixie made by debootstrap, with $(getconf _NPROCESSORS_ONLN) CPUs: built in $SECONDS s.
Its size, user, command, health check and volumes:

    $(buildah images --format '{{.Size}}' clr_ignite)
END
buildah inspect --type image --format '{{with .Docker.Config}}    {{.User}}
    {{.Cmd}}
    {{.Healthcheck.Test}}
    {{.Volumes}}
{{end}}' clr_ignite

image=$(buildah from clr_ignite)
buildah run --isolation chroot --volume "$PWD/docker:/docker:ro" "$image" -- bash /docker/try.sh
