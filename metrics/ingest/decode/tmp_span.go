package decode

type spanBuffer struct{}

func (s *spanBuffer) reset() {}
