"""Blocks of predictors together: the risk of an event beside a competing one."""
