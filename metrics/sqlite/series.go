package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"sync"

	"tidemark/metrics"
)

// seriesName is how a series is written down; see migrations/telemetry.
type seriesName struct {
	Feature   string         `json:"feature,omitempty"`
	Metric    metrics.Metric `json:"metric,omitempty"`
	Replica   string         `json:"replica,omitempty"`
	Region    string         `json:"region,omitempty"`
	Model     string         `json:"model,omitempty"`
	Variant   string         `json:"variant,omitempty"`
	Mechanism string         `json:"mechanism,omitempty"`
	FromStage string         `json:"from_stage,omitempty"`
	FromPlace string         `json:"from_place,omitempty"`
	ToStage   string         `json:"to_stage,omitempty"`
	ToPlace   string         `json:"to_place,omitempty"`
	Scope     string         `json:"scope,omitempty"`
	Param     int64          `json:"param,omitempty"`
	Rule      string         `json:"rule,omitempty"`
	Verdict   string         `json:"verdict,omitempty"`
}

// knownSeries is a series and its id.
type knownSeries struct {
	metrics.Series
	id int64
}

// seriesList has every series in memory: there are thousands, not millions.
type seriesList struct {
	mu        sync.RWMutex
	ids       map[metrics.Series]int64
	byFeature map[string][]*knownSeries
	next      int64
}

func (l *seriesList) load(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT id, name FROM series")
	if err != nil {
		return wrap(err, "list series")
	}
	defer rows.Close()
	var all []*knownSeries
	for rows.Next() {
		k := &knownSeries{}
		var text []byte
		var name seriesName
		if err := rows.Scan(&k.id, &text); err != nil {
			return wrap(err, "list series")
		}
		if err := json.Unmarshal(text, &name); err != nil {
			return wrap(err, "series %d", k.id)
		}
		k.Series = metrics.Series(name)
		all = append(all, k)
	}
	l.set(all)
	return wrap(rows.Err(), "list series")
}

// set replaces the whole list.
func (l *seriesList) set(all []*knownSeries) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids, l.byFeature = map[metrics.Series]int64{}, map[string][]*knownSeries{}
	l.next = max(l.next, 1)
	for _, k := range all {
		l.add(k)
	}
}

func (l *seriesList) add(k *knownSeries) {
	l.ids[k.Series] = k.id
	l.byFeature[k.Feature] = append(l.byFeature[k.Feature], k)
	l.next = max(l.next, k.id+1)
}

func (l *seriesList) count() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return int64(len(l.ids))
}

// matching returns the series that a query selects, sorted.
func (l *seriesList) matching(q *metrics.CellQuery) []*knownSeries {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var found []*knownSeries
	pick := func(list []*knownSeries) {
		for _, k := range list {
			if q.Matches(&k.Series) {
				found = append(found, k)
			}
		}
	}
	if !q.AllFeatures {
		pick(l.byFeature[q.Match.Feature])
	} else {
		for _, list := range l.byFeature {
			pick(list)
		}
	}
	sortSeries(found)
	return found
}

func sortSeries(list []*knownSeries) {
	slices.SortFunc(list, func(a, b *knownSeries) int { return metrics.CompareSeries(&a.Series, &b.Series) })
}

// ListSeries implements metrics.Rollups.
func (s *Store) ListSeries(ctx context.Context, feature string) ([]metrics.Series, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	l := &s.series
	l.mu.RLock()
	var found []*knownSeries
	for f, list := range l.byFeature {
		if feature == "" || f == feature {
			found = append(found, list...)
		}
	}
	l.mu.RUnlock()
	sortSeries(found)
	list := make([]metrics.Series, len(found))
	for i, k := range found {
		list[i] = k.Series
	}
	return list, nil
}

// newSeries are series that one transaction adds to the list.
type newSeries struct {
	list  *seriesList
	added []*knownSeries
	ids   map[*metrics.Series]int64
	fresh map[metrics.Series]int64
}

// id returns the id of a series, inserting it when it is new.
func (n *newSeries) id(ctx context.Context, tx *sql.Tx, s *metrics.Series) (int64, error) {
	if id, ok := n.ids[s]; ok {
		return id, nil
	}
	n.list.mu.RLock()
	id, ok := n.list.ids[*s]
	next := n.list.next + int64(len(n.added))
	n.list.mu.RUnlock()
	if !ok {
		id, ok = n.fresh[*s]
	}
	if !ok {
		name, err := json.Marshal(seriesName(*s))
		if err != nil {
			return 0, err
		}
		id = next
		if _, err := tx.ExecContext(ctx, "INSERT INTO series (id, name) VALUES (?, ?)", id, string(name)); err != nil {
			return 0, err
		}
		n.fresh[*s] = id
		n.added = append(n.added, &knownSeries{*s, id})
	}
	n.ids[s] = id
	return id, nil
}

// publish makes the new series known. Until the transaction ends they have no cells.
func (n *newSeries) publish() {
	n.list.mu.Lock()
	defer n.list.mu.Unlock()
	for _, k := range n.added {
		n.list.add(k)
	}
}

// retract forgets the new series, as the transaction failed. Their ids are not used again.
func (n *newSeries) retract() {
	n.list.mu.Lock()
	defer n.list.mu.Unlock()
	for _, k := range n.added {
		delete(n.list.ids, k.Series)
		n.list.byFeature[k.Feature] = slices.DeleteFunc(slices.Clone(n.list.byFeature[k.Feature]), func(o *knownSeries) bool { return o == k })
	}
}
