#!/usr/bin/env bash
# Builds the image with docker, podman or buildah, whichever is there; buildah needs no engine.
#
#   deploy/image.sh                            builds rollcall
#   deploy/image.sh registry.example/rollcall:0.1.0 --pull
#   NODE_IMAGE=docker.io/library/node:… deploy/image.sh      with another base
#   BUILDER=buildah deploy/image.sh            with this program
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-rollcall}
shift || true
args=(--tag "$name")
[[ -z ${NODE_IMAGE:-} ]] || args+=(--build-arg "NODE_IMAGE=$NODE_IMAGE")

if [[ -z ${BUILDER:-} ]]; then
  for builder in docker podman buildah; do
    # A docker without its engine cannot build.
    if command -v "$builder" >/dev/null && "$builder" info >/dev/null 2>&1; then
      BUILDER=$builder
      break
    fi
  done
fi
case ${BUILDER:-} in
  # The OCI format has no health checks.
  buildah | podman) exec "$BUILDER" build --format docker "${args[@]}" "$@" . ;;
  docker) exec docker build "${args[@]}" "$@" . ;;
  *)
    echo 'image.sh: there is no docker engine, podman or buildah; on Debian: apt-get install buildah' >&2
    exit 1
    ;;
esac
