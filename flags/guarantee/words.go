package guarantee

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Words says what an objective promises, in a clause that can end a sentence:
// "99.9 % of writes are visible at every replica within 2 s, over 28 d".
func Words(o *flags.Objective) string {
	over := ""
	if o.Window > 0 {
		over = ", over " + flags.SayDuration(o.Window)
	}
	limit := flags.SayDuration(time.Duration(o.Value))
	switch o.SLI {
	case flags.SLITimeToVisibility:
		return fmt.Sprintf("%s of writes are visible %s within %s%s", percent(o.Target), where(o), limit, over)
	case flags.SLIStaleness:
		return fmt.Sprintf("%s of reads are at most %s behind%s", percent(o.Target), limit, over)
	case flags.SLIConvergence:
		return fmt.Sprintf("at least %s of writes reach every replica within %s%s", percent(o.Value), flags.SayDuration(o.Within), over)
	case flags.SLIViolationRate:
		return fmt.Sprintf("at most %s of checkable operations break %s%s", percent(o.Value), sessionWords(o.Of), over)
	case flags.SLIConflictRate:
		return fmt.Sprintf("at most %s of writes conflict%s", percent(o.Value), over)
	case flags.SLIReplayRate:
		return fmt.Sprintf("at most %s of deliveries are replays%s", percent(o.Value), over)
	case flags.SLIBacklogAge:
		return fmt.Sprintf("no write waits longer than %s %s", limit, where(o))
	}
	return string(o.SLI)
}

// where says at which replicas, after a verb.
func where(o *flags.Objective) string {
	switch o.Scope {
	case metrics.ScopeFirst:
		return "at the first replica"
	case metrics.ScopeReplica:
		return "at " + o.Replica
	}
	if o.SLI == flags.SLIBacklogAge {
		return "at any replica"
	}
	return "at every replica"
}

func sessionWords(of string) string {
	switch of {
	case "ryw":
		return "read-your-writes"
	case "mr":
		return "monotonic reads"
	case "mw":
		return "monotonic writes"
	case "wfr":
		return "writes-follow-reads"
	}
	return of
}

// percent writes a share as a percentage with as many digits as it has, at most 8
// after the point.
func percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 8, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}
