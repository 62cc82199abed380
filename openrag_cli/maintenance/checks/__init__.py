"""What doctor looks at besides the store's own content."""
