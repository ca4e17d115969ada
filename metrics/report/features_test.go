package report_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/report"
)

// many has as many features as there may be.
type many struct{ metrics.Reader }

func (many) Features() []string {
	out := make([]string, 2000)
	for i := range out {
		out[i] = fmt.Sprint("f", i)
	}
	return out
}

// TestAListOfManyFeaturesHasABound: by a small step it would be as large as hundreds of
// answers about one.
func TestAListOfManyFeaturesHasABound(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Nothing needs to be read.
	q := report.Query{From: now().Add(-time.Hour), To: now(), Step: 10 * time.Second}
	var wrong *report.QueryError
	if _, err := report.New(many{cart()}, now).Features(ctx, q); !errors.As(err, &wrong) || wrong.Field != "step" {
		t.Errorf("2,000 features: %v, want that the step is too small", err)
	}
	if _, err := report.New(cart(), now).Features(t.Context(), q); err != nil {
		t.Errorf("one feature: %v", err)
	}
}
