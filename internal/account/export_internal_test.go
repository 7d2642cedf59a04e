package account

// FillExports takes every place of an export, and returns what gives them back.
func (s *Service) FillExports() (leave func()) {
	for range exportsAtOnce {
		s.exports <- struct{}{}
	}
	return func() {
		for range exportsAtOnce {
			<-s.exports
		}
	}
}
