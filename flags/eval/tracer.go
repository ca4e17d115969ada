package eval

import "fmt"

// tracer collects what an evaluation did. A nil tracer collects nothing.
type tracer struct {
	steps  []Step
	paused int
}

// pause stops the collection until the returned function is called.
func (t *tracer) pause() func() {
	if t == nil {
		return func() {}
	}
	t.paused++
	return func() { t.paused-- }
}

func (t *tracer) add(s Step) {
	if t != nil && t.paused == 0 && len(t.steps) < maxExplainSteps {
		t.steps = append(t.steps, s)
	}
}

// say adds a remark.
func (t *tracer) say(words string) { t.add(Step{Words: words}) }

// sayf is say with a format.
func (t *tracer) sayf(format string, args ...any) {
	if t != nil {
		t.say(fmt.Sprintf(format, args...))
	}
}
