# One image for the web, the worker, the scheduler and the migrations; the command says which.

FROM node:24-slim AS pages
WORKDIR /build/web
COPY viewer/web/package.json viewer/web/package-lock.json viewer/web/.npmrc ./
RUN npm ci --no-fund --no-audit
COPY viewer/web ./
RUN npm run build

FROM python:3.11-slim-bookworm AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock ./
# Only what the lock names and its hashes confirm gets in here; Samsyn then takes what it needs, not the dev group.
RUN pip download --require-hashes --only-binary :all: --requirement requirements.lock --dest /wheels
RUN pip install --no-index --find-links /wheels build hatchling
COPY pyproject.toml README.md ./
COPY slides slides
COPY tiler tiler
COPY cases cases
COPY worker worker
COPY viewer viewer
COPY --from=pages /build/static viewer/static
RUN python -m build --no-isolation --wheel --outdir /dist .
RUN python -m venv --without-pip /opt/samsyn \
    && pip --python /opt/samsyn/bin/python install --no-index --find-links /wheels /dist/samsyn-*.whl

FROM python:3.11-slim-bookworm
RUN pip uninstall --yes --quiet --root-user-action ignore setuptools wheel pip \
    && groupadd --gid 10001 samsyn \
    && useradd --uid 10001 --gid samsyn --no-create-home --shell /usr/sbin/nologin samsyn \
    && install --directory --owner samsyn --group samsyn --mode 0750 /data \
    && install --directory --owner samsyn --group samsyn --mode 0700 /keys /anchors /answers
COPY --from=wheel /opt/samsyn /opt/samsyn
ENV PATH=/opt/samsyn/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["samsyn", "healthy"]
ENTRYPOINT ["samsyn"]
CMD ["serve"]
