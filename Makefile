# The whole stack on this host or in containers. `make help` lists what there is.
MANAGE = .venv/bin/python app/manage.py

.DEFAULT_GOAL := help
.PHONY: backup backup-local backup-compose restore restore-local restore-compose upgrade upgrade-local upgrade-compose help derive plan up down status verify verify-local verify-compose loadtest test test-all test-slow drill lint docs engine base-image packages clean bootstrap install install-dev release release-local release-compose rollback rollback-local rollback-compose reload reload-local reload-compose up-local up-compose down-local down-compose status-local status-compose trace trace-local trace-compose advise advise-local advise-compose page page-local page-compose own-compose kubernetes

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

plan: install ## show the plan for this machine, with the arithmetic
	@$(MANAGE) stack_plan

# Without TARGET a command takes the stack that this checkout has running; `make down up` starts again what it stopped.
# What the load lab measured (FROM) is read here, whatever runs.
ifdef FROM
TARGET := local
endif
ifndef TARGET
ifneq ($(and $(filter down,$(MAKECMDGOALS)),$(filter up,$(MAKECMDGOALS))),)
TARGET := $(shell /usr/bin/python3 -B tools/target.py name 2> /dev/null)
endif
endif
ifneq ($(TARGET),)
$(if $(filter-out local compose,$(TARGET)),$(error TARGET=$(TARGET): there are local and compose))
up down release rollback reload backup restore upgrade status verify trace advise page: %: %-$(TARGET)
else
up: bootstrap
up down release rollback reload backup restore upgrade status verify trace advise page:
	+@/usr/bin/python3 -B tools/target.py $@
endif

up: ## start the stack (TARGET=local or compose; what runs, else compose when an engine answers)

up-local: bootstrap
	@/usr/bin/python3 tools/reach.py
	@/usr/bin/python3 -B tools/install.py run
	@$(MANAGE) stack_local up

# compose.yaml passes the inputs that it names. A misspelt one would go unnoticed, so all are checked; paths it names
# anew for within.
PATHS = STACK_PROJECT STACK_ENVIRONMENT STACK_DATABASE_AUTHORITY STACK_DATABASE_PASSWORD_FILE
INPUTS = $(addprefix --env ,$(filter-out $(PATHS) STACK_TARGET STACK_PLAN,$(filter STACK_%,$(.VARIABLES))))

own-compose:
	@/usr/bin/python3 -B tools/target.py compose

up-compose: own-compose
	@docker compose build configure
	@docker compose run --rm --no-TTY $(INPUTS) configure python manage.py stack_plan > /dev/null
	@docker compose build
	@/usr/bin/python3 -B tools/compose_upgrade.py require
	@/usr/bin/python3 -B tools/background_containers.py require
	@{ docker compose up --detach && /usr/bin/python3 -B tools/compose_status.py --wait; } \
	  || { /usr/bin/python3 -B tools/compose_failure.py; exit 1; }
	@/usr/bin/python3 -B tools/background_containers.py limit
	@docker compose logs --no-log-prefix --tail=1 configure | sed 's/.*\[2K//'

down: ## stop it; the data stays

down-local:
	@$(MANAGE) stack_local down

down-compose: own-compose
	@docker compose down

release: ## load the code that is here now without losing a request

release-local:
	@$(MANAGE) stack_local release

release-compose: own-compose
	@/usr/bin/python3 -B tools/compose_release.py release

rollback: ## serve the release before it without losing a request (compose)

rollback-local:
	@echo "rollback: the local target serves this checkout, so check out the code of before, and: make release" >&2; exit 2

rollback-compose: own-compose
	@/usr/bin/python3 -B tools/compose_release.py rollback

reload: ## bring changed inputs into force without losing a request

reload-local:
	@$(MANAGE) stack_local reload

# What is misspelt is refused, as `up-compose` does.
reload-compose: own-compose
	@docker compose run --rm --no-deps --no-TTY $(INPUTS) configure python manage.py stack_plan > /dev/null
	@/usr/bin/python3 -B tools/compose_reload.py

backup: ## keep rows and files, encrypted, in STACK_BACKUP

backup-local: install
	@$(MANAGE) stack_local backup

restore: ## start with the rows and files of a backup (BACKUP=NAME, OVERWRITE=yes)

restore-local: bootstrap
	@/usr/bin/python3 -B tools/install.py run
	@$(MANAGE) stack_local restore --backup='$(BACKUP)' --overwrite='$(OVERWRITE)'

backup-compose: own-compose
	@docker compose run --rm --no-deps --no-TTY $(INPUTS) configure python manage.py stack_plan > /dev/null
	@/usr/bin/python3 -B tools/compose_backup.py backup

restore-compose: own-compose
	@docker compose build configure
	@docker compose run --rm --no-deps --no-TTY $(INPUTS) configure python manage.py stack_plan > /dev/null
	@docker compose build
	@/usr/bin/python3 -B tools/compose_backup.py restore '$(BACKUP)' '$(OVERWRITE)'
	@$(MAKE) --no-print-directory up-compose

upgrade: ## the next major version of PostgreSQL (REHEARSE=yes says how long, FINISH=yes gives the old one up)

upgrade-local: bootstrap
	@/usr/bin/python3 -B tools/install.py run
	@$(MANAGE) stack_local upgrade $(if $(REHEARSE),--rehearse) $(if $(FINISH),--finish)
	@$(if $(REHEARSE)$(FINISH),:,$(MAKE) --no-print-directory up-local)

upgrade-compose: own-compose
ifdef FINISH
	@/usr/bin/python3 -B tools/compose_upgrade.py finish
else
	@docker compose build configure
	@docker compose run --rm --no-deps --no-TTY $(INPUTS) configure python manage.py stack_plan > /dev/null
	@docker compose build
	@/usr/bin/python3 -B tools/compose_upgrade.py $(if $(REHEARSE),rehearse,upgrade)
	@$(if $(REHEARSE),:,$(MAKE) --no-print-directory up-compose)
endif

status: ## one screen: what runs, what is full, who blocks, what to do; fails when something is wrong

status-local:
	@$(MANAGE) stack_status

status-compose: own-compose
	@/usr/bin/python3 -B tools/compose_status.py

trace: ## what all logs have of one request (ID=…, from the access log)

trace-local: install
	@$(MANAGE) stack_trace '$(ID)'

trace-compose: own-compose
	@docker compose logs --no-color --no-log-prefix web postgres | \
		docker compose run --rm --no-deps --no-TTY manage stack_trace '$(ID)' -

advise: ## which inputs to change, by what the running stack measured (LAST=seconds) or the lab (FROM=its results; CHECK=1 afterwards)

ADVISE = stack_advise $(if $(CHECK),--check) $(if $(LAST),--last=$(LAST)) $(if $(FROM),--from='$(FROM)')

advise-local: install
	@$(MANAGE) $(ADVISE)

advise-compose: own-compose
	@docker compose run --rm --no-deps --no-TTY manage $(ADVISE)

page: ## the address of the page that shows an hour of the stack

page-local: install
	@$(MANAGE) stack_page

page-compose: own-compose
	@docker compose run --rm --no-deps --no-TTY manage stack_page

verify: ## prove that what runs is what was planned

verify-local: install
	@$(MANAGE) stack_verify

verify-compose: own-compose
	@docker compose run --rm --no-deps manage stack_verify
	@docker compose run --rm --no-deps --user nobody:sockets manage stack_verify --stranger

loadtest: install-dev ## every way to reach PostgreSQL side by side (FULL=1, STRATEGIES, PAGE, SUITE, HOST); PAGES or LOG: on your pages; AGAINST=v0.1
	@.venv/bin/python loadtest/run.py

# What one local stack can show, the longest first; the other directories of tests/ need other stacks, hosts, containers or a lab.
QUICK = $(addprefix tests/,integration browser audit contract unit)

test: install-dev ## the quick part, for before a commit: the code, and one local stack; says what it left out
	@.venv/bin/python -m pytest -m "not slow" $(QUICK)

test-all: install-dev ## all but what takes minutes each: other stacks, hosts, containers, faults, the lab, other people's projects
	@.venv/bin/python -m pytest -m "not slow"

test-slow: install-dev ## the rest: drills, releases that fail, hosts apart, the other Debian, Django's own tests; more than an hour
	@.venv/bin/python -m pytest -m slow

drill: install-dev ## faults on the local target, and the page of what they do; CLUSTER=1: by chance on a cluster (MINUTES=60)
ifdef CLUSTER
	@DRILL_MINUTES='$(or $(MINUTES),60)' .venv/bin/python -m pytest -n0 -s tests/cluster/test_soak.py
else
	@GOLDEN=write .venv/bin/python -m pytest -n0 tests/drills
endif

lint: install-dev ## ruff, mypy, import-linter, yamllint, ansible-lint, shellcheck, hadolint, djlint
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@PYTHONPATH=app .venv/bin/mypy
	@PYTHONPATH=app:host .venv/bin/lint-imports
	@.venv/bin/yamllint --strict compose.yaml egress observability postgres valkey mkdocs.yml .yamllint .hadolint.yaml .ansible-lint .config ansible
	@ANSIBLE_LIBRARY=$(CURDIR)/ansible/library .venv/bin/ansible-lint -q ansible
	@.venv/bin/shellcheck tools/*.sh .ci/run
	@.venv/bin/hadolint */Dockerfile
	@.venv/bin/djlint --quiet --check app/demo/templates && .venv/bin/djlint --quiet --lint app/demo/templates

derive: install-dev ## write again what follows from the code: lists of inputs, golden files, generated pages
	@GOLDEN=write .venv/bin/python -m pytest -q tests/contract

docs: install-dev ## the documentation as a site with search, below .cache/site
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict
	@echo "docs      .venv/bin/mkdocs serve shows it; the files are in .cache/site"

engine: bootstrap ## install and start a Docker engine with Compose v2 (root on Debian)
	@/usr/bin/python3 tools/engine.py

base-image: bootstrap ## make the images' Debian without an image registry
	@/usr/bin/python3 tools/base_image.py

clean: ## stop the local stack and delete its directory, data included
	@test ! -x .venv/bin/python || $(MANAGE) stack_local delete
	@rm -rf .venv

kubernetes: install ## print manifests for Kubernetes, an example (docs/kubernetes.md): make -s kubernetes > stack.yaml
	@$(MANAGE) stack_kubernetes

packages: bootstrap ## install what the local target runs from Debian (root); no service is started
	@/usr/bin/python3 -B tools/install.py packages

bootstrap:
	@tools/bootstrap.sh

install: bootstrap
	@/usr/bin/python3 -B tools/install.py run

install-dev: bootstrap
	@/usr/bin/python3 -B tools/install.py dev
