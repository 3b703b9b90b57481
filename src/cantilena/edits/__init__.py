"""What a composer does to a melody that is there: each verb a function of a `Draw`, which `Composer` binds."""
