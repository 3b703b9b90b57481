"""What is done to a melody that is there: each verb is a function that is given a `BoundSampler`."""
