# Every chore is one target; hooks and CI call the same ones. `make help` lists them.

# What a caller may set, as in: make serve PORT=3001
PORT ?= 3000
IMAGE ?= gender_classifier:latest
# Names of branches and tags are read from the environment by `$$NAME`: make would expand what they hold.
export BASE ?= origin/main
# The first that runs and is new enough, else the python3 there is: requirements/install.py says what it lacks.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; \
	done; command -v python3)

# Tests in two processes, dealt out as tests/sharing.py says; PARALLEL= runs them in one.
PARALLEL ?= --numprocesses 2 --no-loadscope-reorder

# A docker that runs, else podman.
ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || { command -v podman >/dev/null && echo podman; })

BIN := .venv/bin
# As an activated environment has it: DVC's stages and `bentoml build` look for their tools there.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Where a machine forbids Python's compiled files, as many containers do, each start would compile thousands anew.
unexport PYTHONDONTWRITEBYTECODE
# None of the tools reports to its makers.
export BENTOML_DO_NOT_TRACK = True
export DO_NOT_TRACK = 1
export DVC_NO_ANALYTICS = 1
export MLFLOW_DISABLE_TELEMETRY = true

.DEFAULT_GOAL := help
.SILENT:

##@ Use
.PHONY: help
help: ## list the targets
	awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: serve
serve: install-train ## set everything up, train if there is no model, serve (PORT=3000)
	$(BIN)/python -m serving.port "$(PORT)"
	$(BIN)/python -m training --if-missing
	echo "Serving on http://localhost:$(PORT) in a few seconds: UI at /ui, API docs at /, metrics at /metrics. Ctrl-C stops."
	exec $(BIN)/bentoml serve --port "$(PORT)"

.PHONY: train
train: install-train ## run the pipeline on the embedded data or on your own (DATA=people.csv)
	$(BIN)/python -m training $(if $(DATA),--data "$(DATA)")

.PHONY: synthesize
synthesize: .venv-synthesize/.installed ## draw synthetic rows from your own with SDV, and judge them (DATA=people.csv)
	$(BIN)/python -m training.synthesize $(if $(DATA),--data "$(DATA)")

# SDV needs an older pandas than we do. The lock is complete, so --no-deps: torch, which it never uses here, stays out.
.venv-synthesize/.installed: requirements/synthesize.txt | install-train
	rm -rf .venv-synthesize
	$(BIN)/uv venv --quiet --python $(BIN)/python .venv-synthesize
	echo "installing SDV's packages of requirements/synthesize.txt"
	UV_SYSTEM_CERTS=true $(BIN)/uv pip install --quiet --no-deps --require-hashes \
		--python .venv-synthesize/bin/python --requirement requirements/synthesize.txt
	touch $@

.PHONY: pull
pull: install-train ## get data and models from the DVC remote, where one is configured
	$(BIN)/python -m training.remote pull

.PHONY: repro
repro: install-train ## run the pipeline as `dvc repro` does, which writes dvc.lock
	$(BIN)/dvc repro

.PHONY: publish
publish: install-train ## push data and models to the DVC remote, where one is configured
	$(BIN)/python -m training.remote publish

.PHONY: compare
compare: install-train ## compare what was trained here with another revision (BASE=origin/main): reports/comparison.md
	$(BIN)/python -m training.compare "$$BASE"

.PHONY: rollback
rollback: install-train ## take the last promotion back (TAG=... to a model of your choice); servers follow
	$(BIN)/python -m training.rollback $(TAG)

.PHONY: reproduce
reproduce: install-train ## make a stored model again (TAG=..., else the latest) and compare it, array by array
	$(BIN)/python -m training.reproduce $(TAG)

.PHONY: mlflow
mlflow: install-train ## browse the training runs
	exec $(BIN)/mlflow ui

.PHONY: monitor
monitor: install-monitor ## watch the prediction log: reports and gauges on port 9102
	exec $(BIN)/python -m monitoring

.PHONY: drift-demo
drift-demo: install-monitor ## send a running service (PORT=3000) ordinary rows, then shifted ones, and watch the drift
	exec $(BIN)/python -m monitoring.demo "http://localhost:$(PORT)"

.PHONY: score
score: install-scale ## score files (INPUT=rows.csv OUTPUT=scored.parquet KEEP=id; more: SCORE=--help)
	exec $(BIN)/python -m scoring "$(INPUT)" "$(OUTPUT)" $(if $(KEEP),--keep "$(KEEP)") $(SCORE)

##@ Ship
.PHONY: build
build: install-train ## build a Bento: the service and its model in one folder
	$(BIN)/python -m training --if-missing
	$(BIN)/bentoml build

.PHONY: image
image: engine-found build ## build a container image with docker or podman (IMAGE=gender_classifier:latest UI=off)
	DOCKER_BUILDKIT=1 $(BIN)/bentoml containerize gender_classifier:latest --image-tag "$(IMAGE)-bento" \
		--backend $(ENGINE) $(CONTAINERIZE_OPTS)
	$(BIN)/python -m deploy.image.finish "$(ENGINE)" "$(IMAGE)"
	echo "Built $(IMAGE). To run it: $(ENGINE) run --rm -p 3000:3000 -p 3001:3001 $(IMAGE)"

.PHONY: smoke
smoke: engine-found install-serve ## run the image (IMAGE=...) as it is deployed and ask it over HTTP and gRPC
	$(BIN)/python -m deploy.smoke "$(ENGINE)" "$(IMAGE)"

.PHONY: sbom
sbom: engine-found install-ship ## list what is in the image (IMAGE=...), and the licences, in reports/
	$(BIN)/python -m deploy.sbom "$(ENGINE)" "$(IMAGE)"

.PHONY: space
space: install-train install-ship ## push page and API to a Hugging Face Space (SPACE=owner/name; HF_TOKEN or hf auth login)
	$(BIN)/python -m deploy.space check "$(SPACE)"
	$(MAKE) --no-print-directory build
	$(BIN)/python -m deploy.space push "$(SPACE)"

save: ARCHIVE ?= image.tar
.PHONY: save
save: engine-found ## write the image (IMAGE=...) to a file (ARCHIVE=image.tar)
	$(ENGINE) save --output "$(ARCHIVE)" "$(IMAGE)"

.PHONY: push
push: engine-found ## push IMAGE, out of ARCHIVE=image.tar if that is given, to TO=ghcr.io/owner/name:tag
	$(PYTHON) deploy/push.py "$(ENGINE)" "$(IMAGE)" "$$TO" $(if $(ARCHIVE),"$(ARCHIVE)")

.PHONY: release-notes
release-notes: ## print what CHANGELOG.md says of a version (VERSION=v1.2.3)
	$(PYTHON) deploy/notes.py "$$VERSION"

# gh is GitHub's own program, and there on its runners.
.PHONY: release
release: ## make the GitHub release of a pushed tag (VERSION=v1.2.3), with the files of dist/
	notes=$$($(PYTHON) deploy/notes.py "$$VERSION") && \
		gh release create "$$VERSION" --verify-tag --title "$$VERSION" --notes "$$notes" $$(find dist -type f)

.PHONY: comment
comment: ## put reports/comparison.md under a pull request (PR=12), in place of the last one
	gh pr comment "$$PR" --body-file reports/comparison.md --edit-last --create-if-none

.PHONY: no-space
no-space: ## say what the workflow `space` lacks in a repository that has no Space
	echo "::notice::Not deployed to Hugging Face: set the variable SPACE (owner/name) and the secret HF_TOKEN."

##@ Change
.PHONY: test
test: lint types ## lint, check types, run every test and measure coverage
	$(BIN)/python -m pytest --cov $(PARALLEL)

.PHONY: check
check: lint types ## lint, check types, run the fast tests
	$(BIN)/python -m pytest -m "not slow"

.PHONY: fuzz
fuzz: install-dev ## throw 200,000 odd bodies and messages at the protocols
	FUZZ=100000 $(BIN)/python -m pytest tests/serving/test_fuzz.py

.PHONY: bench
bench: install-train ## measure the service beside its peers, ~30 min (BENCH=--quick: 4 min)
	$(BIN)/python -m training --if-missing
	$(BIN)/python -m benchmarks $(BENCH)

.PHONY: soak
soak: install-train ## a million requests over all protocols: nothing may grow
	$(BIN)/python -m training --if-missing
	$(BIN)/python -m benchmarks.soak

.PHONY: bench-scoring
bench-scoring: install-dev ## measure the scoring of files against polars by hand (BENCH=--ray: and Ray)
	$(BIN)/python -m training --if-missing
	$(BIN)/python -m benchmarks.scoring $(BENCH)

.PHONY: lint
lint: install-dev ## find mistakes and unformatted code
	$(BIN)/ruff format --quiet --diff .
	$(BIN)/ruff check --quiet .

.PHONY: types
types: install-dev ## check the types
	$(BIN)/mypy

.PHONY: format
format: install-dev ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: hooks
hooks: install-dev ## let git run the checks at every commit
	$(BIN)/pre-commit install

compile := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: lock
lock: install-dev ## write the locks again after a change of pyproject.toml (UPGRADE=1: newest versions)
	$(compile) $(if $(UPGRADE),--upgrade) requirements/uv.in --output-file requirements/uv.txt
	$(compile) $(if $(UPGRADE),--upgrade) pyproject.toml --all-extras \
		--output-file requirements/dev.txt
	for set in api serve; do $(compile) pyproject.toml --extra $$set \
		--constraint requirements/dev.txt --output-file requirements/$$set.txt || exit; done
	for set in train monitor ship scale; do $(compile) pyproject.toml --extra serve --extra $$set \
		--constraint requirements/dev.txt --output-file requirements/$$set.txt || exit; done
	$(compile) $(if $(UPGRADE),--upgrade) requirements/synthesize.in --override requirements/synthesize.override.in \
		--output-file requirements/synthesize.txt
	for peer in benchmarks/requirements/*.in; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--no-header --no-annotate $(if $(UPGRADE),--upgrade) $$peer --output-file $${peer%.in}.txt || exit; done

.PHONY: protos
protos: install-dev ## write the Python of serving/protos again after a change there
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. serving/protos/*.proto

.PHONY: manifests
manifests: install-monitor ## write the rules of deploy/kubernetes again after a change of monitoring/prometheus/rules
	$(BIN)/python -m monitoring.kubernetes_rule

.PHONY: workflows
workflows: install-dev ## check .github with actionlint, its schemas and zizmor, offline
	$(BIN)/actionlint .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --no-progress --quiet .github

.PHONY: pictures
pictures: install-dev ## take the README's pictures of the page from a running server
	$(BIN)/python -m training --if-missing
	$(BIN)/python -m tests.pictures

.PHONY: clean
clean: ## remove caches and reports; the environment, data and models stay
	rm -rf .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache htmlcov
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

install-%:
	python="$(PYTHON)"; command -v "$$python" >/dev/null || { \
		echo "error: Python 3.11 or newer is needed and $${python:-python3} was not found: install it (Debian, Ubuntu:" \
		"apt install python3.11 python3.11-venv) or name one, as in: make serve PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	"$$python" requirements/install.py $*

engine-found:
	test -n "$(ENGINE)" || { echo "error: no container engine is running: start docker, or install podman" \
		"(Debian, Ubuntu: apt install podman)" >&2; exit 1; }
