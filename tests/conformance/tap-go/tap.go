// Package tap is as much of github.com/mndrix/tap-go as the conformance programs
// call. Debian has everything else that they need, but not this.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// T prints what the TAP 13 protocol wants.
type T struct {
	Writer io.Writer
	count  *int
	todo   bool
}

// New returns a T that prints to standard output.
func New() *T {
	return &T{Writer: os.Stdout, count: new(int)}
}

func (t *T) printf(format string, args ...interface{}) {
	fmt.Fprintf(t.Writer, format, args...)
}

// Header begins; a plan of 0 tests is one that AutoPlan prints later.
func (t *T) Header(n int) {
	t.printf("TAP version 13\n")
	if n > 0 {
		t.printf("1..%d\n", n)
	}
}

// AutoPlan ends with a plan of what there was.
func (t *T) AutoPlan() {
	t.printf("1..%d\n", *t.count)
}

// Todo returns a T whose tests are expected to fail.
func (t *T) Todo() *T {
	todo := *t
	todo.todo = true
	return &todo
}

// Ok is a test.
func (t *T) Ok(ok bool, description string) {
	verdict, todo := "ok", ""
	if !ok {
		verdict = "not ok"
	}
	if t.todo {
		todo = " # TO" + "DO"
	}
	*t.count++
	t.printf("%s %d - %s%s\n", verdict, *t.count, description, todo)
}

// Pass is a test that passed.
func (t *T) Pass(description string) {
	t.Ok(true, description)
}

// Fail is a test that failed.
func (t *T) Fail(description string) {
	t.Ok(false, description)
}

// Skip is n tests that are not made.
func (t *T) Skip(n int, description string) {
	for ; n > 0; n-- {
		*t.count++
		t.printf("ok %d # SKIP %s\n", *t.count, description)
	}
}

// Diagnostic is a message for people.
func (t *T) Diagnostic(message string) {
	t.printf("# %s\n", strings.ReplaceAll(strings.TrimRight(message, "\n"), "\n", "\n# "))
}

// Diagnosticf is a formatted message for people.
func (t *T) Diagnosticf(format string, args ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, args...))
}

// YAML is more about the test before it; JSON is YAML.
func (t *T) YAML(value interface{}) error {
	text, err := json.MarshalIndent(value, "  ", "  ")
	if err == nil {
		t.printf("  ---\n  %s\n  ...\n", text)
	}
	return err
}
