"""`make bench`: how long reportgen takes against what one would do without it, and how that grows.

__main__ runs it; rows says what is compared, growth what grows; clock times, inputs makes what is measured on,
speed_page and chart write down what was found. rivals are the other ways, as somebody would write them: scripts that
know nothing of reportgen. The process that runs all this never imports TensorFlow, so that it is small beside those
it measures.
"""
