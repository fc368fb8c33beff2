# The current LTS of Node. The digest fixes what the name means; it is that of the index, which has all platforms.
# The newest one: docker buildx imagetools inspect node:24-bookworm-slim
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json build.ts ./
COPY src src
COPY drizzle drizzle
# The build also makes the database image, so that a container's first start needs a moment and little memory.
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
WORKDIR /app
# In production PUBLIC_URL, SECRETS_KEY and TRUST_PROXY have to be given, or the start is refused.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
# Platforms that choose an account of their own, such as OpenShift, run it in the group root.
RUN mkdir -m 0770 /data && chown node:root /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/drizzle drizzle
# The set-up portal shows the guides as they are.
COPY docs/idp docs/idp
COPY --from=build /app/dist dist
# By number: Kubernetes refuses to run a name where it has to know that the account is not root.
ARG RUN_AS=1000:0
USER ${RUN_AS}
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/main.js"]
