package sqlite_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/metrics"
	"tidemark/metrics/sqlite"
	"tidemark/metrics/storetest"
)

func open(tb testing.TB, o sqlite.Options) *sqlite.Store {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	s, err := sqlite.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) metrics.Store {
		return open(t, sqlite.Options{Registerer: prometheus.NewRegistry()})
	})
}

func TestStoreOfManyPartitions(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) metrics.Store {
		return open(t, sqlite.Options{PartitionSpan: time.Millisecond})
	})
}
