"""Where elements are: shapes, views, indexing and writes, arrays made from nothing."""
