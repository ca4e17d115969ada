package storetest_test

import (
	"testing"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) metrics.Store { return storetest.NewMemory() })
}
