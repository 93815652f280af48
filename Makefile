.PHONY: all test check
all:
	@script/setup demo
test check:
	@script/test $(filter check,$@)
