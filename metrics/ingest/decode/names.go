package decode

import (
	"strings"

	"tidemark/metrics"
)

func kinds() string { return strings.Join(metrics.KindNames(), ", ") }
