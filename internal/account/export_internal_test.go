package account

// FillExports takes every place of an export, and returns what gives them back.
func (s *Service) FillExports() (leave func()) {
	for range maxConcurrentExports {
		s.exports <- struct{}{}
	}
	return func() {
		for range maxConcurrentExports {
			<-s.exports
		}
	}
}
