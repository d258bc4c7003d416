# Every target is one command; the code is in deploy/ and tests/.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
RUN := @PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m
# The runtime: the one that was started last, else Compose when a Docker engine is available, else without Docker.
RUNTIME ?= $(or $(shell cat .runtime 2>/dev/null),$(shell PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m deploy.compose detect))
VENV := .venv/bin

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: up up-local up-compose down restart ps logs clean key demo psql redis-cli backup restore verify dead-letters
up: ## set up what is missing and start everything, in containers when Docker is available, else without
	$(RUN) deploy.$(RUNTIME) up
up-local: ## the same, without Docker
	$(RUN) deploy.local up
up-compose: ## the same, by Docker Compose
	$(RUN) deploy.compose up
down: ## stop everything; all data stays
	$(RUN) deploy.$(RUNTIME) down
restart: ## restart every service, without a failed request
	$(RUN) deploy.$(RUNTIME) restart
ps: ## show the processes, or the containers
	$(RUN) deploy.$(RUNTIME) ps
logs: ## follow all logs
	$(RUN) deploy.$(RUNTIME) logs
clean: ## delete all data, after asking
	$(RUN) deploy.$(RUNTIME) clean
key: export BOLTLINK_KEY_NAME = $(NAME)
key: export BOLTLINK_KEY_SCOPES = $(SCOPES)
key: ## create an API key: make key NAME=ci SCOPES=links:write,stats:read (default: admin)
	$(RUN) deploy.$(RUNTIME) key
demo: ## shorten, follow and count some hundred real URLs
	$(RUN) deploy.$(RUNTIME) demo
psql: ## open psql on the database
	$(RUN) deploy.$(RUNTIME) psql
redis-cli: ## open redis-cli on our Redis
	$(RUN) deploy.$(RUNTIME) redis-cli
backup: ## write a backup into backups/
	$(RUN) deploy.$(RUNTIME) backup
restore: ## replace all data by that of a backup: make restore FILE=backups/….dump
	$(RUN) deploy.$(RUNTIME) restore "$(FILE)"
verify: ## compare every record in Redis with PostgreSQL; REPAIR=yes repairs what differs
	$(RUN) deploy.$(RUNTIME) verify $(if $(filter yes,$(REPAIR)),--repair)
dead-letters: ## show the clicks that could not be counted; REPLAY=yes counts them again
	$(RUN) deploy.$(RUNTIME) dead-letters $(if $(filter yes,$(REPLAY)),--replay)

.PHONY: monitoring-up monitoring-down
monitoring-up: ## without Docker: start Prometheus, Alertmanager and the exporters too
	$(RUN) deploy.local monitoring-up
monitoring-down: ## stop them
	$(RUN) deploy.local monitoring-down

.PHONY: test check format integration e2e test-chaos test-compose bench
test: servers check integration e2e ## everything: check, integration and end-to-end tests
check: venv ## the quick part: format, lint, types, unit tests
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy .
	$(VENV)/pytest -q tests/unit
integration: servers venv
	$(VENV)/pytest -q -n 4 tests/integration
e2e: servers venv
	$(VENV)/pytest -q tests/e2e
test-chaos: servers venv ## cause each fault under load and show its cost: 20 seconds a row; ten minutes with LONG=1
	LONG="$(LONG)" $(VENV)/pytest -v tests/chaos
test-compose: venv ## the tests of the containers; needs a Docker engine, and builds and starts everything
	$(VENV)/pytest -q tests/compose
bench: servers venv ## measure beside baselines, into docs/performance.md (QUICK=1: in three minutes, no file)
	@PYTHONDONTWRITEBYTECODE=1 $(VENV)/python -m tests.bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))
format: venv ## format the code
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

.PHONY: servers venv lock openapi render
venv:
	$(RUN) deploy.local venv dev
servers:
	$(RUN) deploy.local servers
openapi: venv ## write the document of the API, after a change of a route or a schema
	$(VENV)/python -m services.api_contract.command
render: venv ## write the Compose files, the targets and the dashboards, after a change of what they follow from
	$(RUN) deploy.compose render
	@PYTHONDONTWRITEBYTECODE=1 $(VENV)/python -m monitoring.grafana.dashboards
lock: venv ## pin the newest versions of all Python packages, with hashes
	cd requirements && for name in services runtime dev; do CUSTOM_COMPILE_COMMAND="make lock" ../$(VENV)/pip-compile --quiet --upgrade \
	    --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe $$name.in -o $$name.txt; done
