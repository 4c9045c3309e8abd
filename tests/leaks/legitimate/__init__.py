"""Operations that stay inside one tenant and must go on working, by theme."""
