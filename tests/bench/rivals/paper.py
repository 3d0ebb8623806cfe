"""WeasyPrint alone, on a page for paper that is finished.

python paper.py PAGE.html REPORT.pdf
"""

import sys

import weasyprint

weasyprint.HTML(sys.argv[1]).write_pdf(sys.argv[2], pdf_variant="pdf/ua-1")
