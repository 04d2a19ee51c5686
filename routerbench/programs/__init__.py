"""What the entry points do, as functions of objects, which a notebook calls as well."""
