package simulate

func demo() Scenario { return steady() }
