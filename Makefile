# Every target is one line of what it does; the doing is in local/ (the runtime without Docker) and tests/.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
LOCAL := @PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m local
VENV := .venv/bin

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: up down restart ps logs clean key demo psql redis-cli backup restore
up: ## set up what is missing and start everything
	$(LOCAL) up
down: ## stop everything; all data stays
	$(LOCAL) down
restart: ## start every service anew, without a failed request
	$(LOCAL) restart
ps: ## show the processes
	$(LOCAL) ps
logs: ## follow all logs
	$(LOCAL) logs
clean: ## delete all data, after asking
	$(LOCAL) clean
key: ## make an API key: make key NAME=ci SCOPES=links:write,stats:read (default: admin)
	$(LOCAL) key --name "$(NAME)" --scopes "$(SCOPES)"
demo: ## shorten, follow and count some hundred real URLs
	$(LOCAL) demo
psql: ## open psql on the database
	$(LOCAL) psql
redis-cli: ## open redis-cli on our Redis
	$(LOCAL) redis-cli
backup: ## write a backup into backups/
	$(LOCAL) backup
restore: ## replace all data by a backup's: make restore FILE=backups/….dump
	$(LOCAL) restore "$(FILE)"

.PHONY: test check format integration e2e
test: check integration e2e ## everything: check, integration and end-to-end tests
check: venv ## the quick part: format, lint, types, unit tests
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy .
	$(VENV)/pytest -q tests/unit
integration: venv servers
	$(VENV)/pytest -q tests/integration
e2e: venv servers
	$(VENV)/pytest -q tests/e2e
format: venv ## put the code into its form
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

.PHONY: venv servers lock
venv:
	$(LOCAL) venv dev
servers:
	$(LOCAL) servers
lock: venv ## pin the newest versions of all Python packages, with hashes
	cd requirements && for name in services runtime dev; do CUSTOM_COMPILE_COMMAND="make lock" ../$(VENV)/pip-compile --quiet --upgrade \
	    --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe $$name.in -o $$name.txt; done
