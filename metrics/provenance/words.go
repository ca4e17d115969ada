package provenance

import (
	"fmt"
	"strings"

	"tidemark/metrics/report"
)

// answer is the first line of a write's page.
func answer(s *Story) string {
	switch s.State {
	case StateConflict:
		return "This change conflicts with another one, and that is not decided yet" + progress(s) + "."
	case StateVisible:
		return visible(s)
	case StateLate:
		return fmt.Sprintf("This change is late: %s old%s; it is missing at %s%s.", age(s), progress(s), strings.Join(s.Route.Missing, ", "), remaining(s))
	case StateUnknown:
		return unknown(s)
	}
	return fmt.Sprintf("This change is under way: %s old%s%s.", age(s), progress(s), remaining(s))
}

func visible(s *Story) string {
	text := fmt.Sprintf("This change is visible at %s", all(s.Route.Total))
	if s.AllNS != nil {
		text += ", after " + report.Duration(*s.AllNS)
	}
	for i := range s.Route.Replicas {
		if by := s.Route.Replicas[i].SupersededBy; by != nil {
			return text + fmt.Sprintf("; at %s superseded by %s, satisfied.", s.Route.Replicas[i].Replica, by.WriteID)
		}
	}
	return text + "."
}

func all(n int) string {
	if n == 1 {
		return "its only replica"
	}
	return fmt.Sprintf("all %d replicas", n)
}

func unknown(s *Story) string {
	if s.Route.Total == 0 {
		return "No route says where this change must arrive, so whether it did is unknown."
	}
	return fmt.Sprintf("It is unknown whether this change arrived: nothing is heard of %s%s.", strings.Join(s.Route.Silent, ", "), progress(s))
}

func progress(s *Story) string {
	if s.Route.Total == 0 {
		return ""
	}
	return fmt.Sprintf(", visible at %d of %d replicas", s.Route.Reached, s.Route.Total)
}

func age(s *Story) string {
	if s.AgeNS == nil {
		return "of unknown age, not"
	}
	return report.Duration(*s.AgeNS)
}

func remaining(s *Story) string {
	if s.ETA == nil || s.ETA.P95NS == nil {
		return ""
	}
	return "; with 95% probability it takes no more than another " + report.Duration(*s.ETA.P95NS)
}
