package rollup

import "slices"

// leastOf joins texts into a sorted set that keeps the least limit of all it was given,
// and reports whether it left some out. Which are kept, and whether any is left out, does
// not depend on the order or on repetition. Empty text is none.
func leastOf(set *[]string, limit int, list []string, and ...string) (more bool) {
	var few [66]string // as many as one event brings
	fresh := few[:0]
	for _, add := range [2][]string{list, and} {
		for _, s := range add {
			if s == "" {
				continue
			}
			i, ok := slices.BinarySearch(*set, s)
			switch {
			case ok:
			case i >= limit:
				more = true
			default:
				fresh = append(fresh, s)
			}
		}
	}
	if len(fresh) == 0 {
		return more
	}
	slices.Sort(fresh)
	return merge(set, limit, slices.Compact(fresh)) || more
}

// merge puts sorted texts that are not in a sorted set into it, from the end, so that
// each moves once.
func merge(set *[]string, limit int, fresh []string) (more bool) {
	all := *set
	i, j := len(all)-1, len(fresh)-1
	all = append(all, fresh...)
	for k := len(all) - 1; j >= 0; k-- {
		switch {
		case i >= 0 && all[i] > fresh[j]:
			all[k] = all[i]
			i--
		default:
			if k < limit {
				all[k] = cloneString(fresh[j])
			}
			j--
		}
	}
	if more = len(all) > limit; more {
		clear(all[limit:])
		all = all[:limit]
	}
	*set = all
	return more
}
