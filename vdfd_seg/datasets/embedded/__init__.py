"""The two data sets that the package makes itself: Digits and DigitScenes."""
