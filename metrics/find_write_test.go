package metrics

import (
	"fmt"
	"slices"
	"testing"
)

// TestLabelsOf: each once, and not all of very many, which is said.
func TestLabelsOf(t *testing.T) {
	t.Parallel()
	labels, all := LabelsOf([]Event{{Labels: []string{"a", "b"}}, {}, {Labels: []string{"b", "c", "a"}}})
	if !all || !slices.Equal(labels, []string{"a", "b", "c"}) {
		t.Errorf("%v, all %v", labels, all)
	}
	events := make([]Event, MaxTold)
	for i := range events {
		events[i].Labels = []string{fmt.Sprint("tenant:", i)}
	}
	if labels, all := LabelsOf(events); !all || len(labels) != MaxTold {
		t.Errorf("%d labels, all %v", len(labels), all)
	}
	if labels, all := LabelsOf(append(events, Event{Labels: []string{"one more"}})); all || len(labels) != MaxTold {
		t.Errorf("%d labels, all %v", len(labels), all)
	}
}
